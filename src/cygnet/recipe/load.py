"""From a recipe's name and `key=value` arguments to a valid recipe, and from two recipes to their difference."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cygnet.corpus.pipeline.config import Rules
from cygnet.errors import UserError
from cygnet.recipe.layers import preset_names, recipe_layers
from cygnet.recipe.schema import AdaptSettings, ChatConfig, Recipe
from cygnet.settings.layers import Layer, Table, merge, parse_override
from cygnet.settings.validate import validate

DEFAULT = "pocket"

# What a stage by itself goes by, besides its own settings.
_EVERY = ("training", "seed", "threads")
_BEFORE = {"pretrain": ("tokenizer", "tokens.train_tokens", *(f"corpus.{rule}" for rule in Rules.model_fields))}


def load_recipe(arguments: Sequence[str] = ()) -> Recipe:
    """Resolve a recipe from what a command line says: at most one recipe, and `key=value` settings in any order.

    A recipe is a preset's name, the path of a .toml file or a run folder; `pocket` if none is named.

    Raises:
        UserError: listing every mistake in the settings, or naming what can't be read.
    """
    recipes = [argument for argument in arguments if "=" not in argument]
    overrides = [argument for argument in arguments if "=" in argument]
    if len(recipes) > 1:
        raise UserError(
            f"expected one recipe, found {len(recipes)}: {', '.join(recipes)}. Settings are written key=value."
        )
    layers = recipe_layers(recipes[0] if recipes else DEFAULT, overrides)
    return validate(Recipe, [_turn_dial(layer) for layer in layers])


def default_folder(arguments: Sequence[str], recipe: Recipe) -> Path:
    """Where `recipe`, resolved from `arguments`, runs unless told otherwise.

    A run folder goes on in itself, whatever its recipe is called: it may be a copy. Anything else runs in `runs/`
    under the recipe's name.
    """
    for argument in arguments:
        path = Path(argument)
        if "=" not in argument and argument not in preset_names():
            if path.is_dir():
                return path
            if path.name == "recipe.json":
                return path.parent
    return Path("runs") / recipe.name


def stage_recipe(stage: str, overrides: Sequence[str]) -> Recipe:
    """The settings of one stage run by itself, from the schema's defaults and `key=value` arguments.

    A key is one of the stage's own (`epochs=2`), or one of the recipe's (`seed=3`, `tokenizer.vocab_size=512`).

    Raises:
        UserError: listing every mistake, or what the stage by itself does not go by.
    """
    layers = [_turn_dial(_in_stage(stage, parse_override(text))) for text in overrides]
    recipe = validate(Recipe, [Layer("", {"name": stage}), *layers])
    used = (stage, *_EVERY, *_BEFORE.get(stage, ()))
    if idle := [layer.source for layer in layers if not all(_within(used, key) for key, _ in _flat(layer.data))]:
        raise UserError(
            f"{' and '.join(idle)}: no effect on {stage} by itself. Besides its own settings it takes "
            f"{', '.join(used[1:])}."
        )
    return recipe


def players_and_settings(arguments: Sequence[str]) -> tuple[dict[str, Path], list[str]]:
    """Tell `name=model` arguments from settings: a setting's key is `seed`, `threads` or begins with `rank.`.

    Raises:
        UserError: for an argument without `=`, or a name given twice.
    """
    models: dict[str, Path] = {}
    settings = []
    for argument in arguments:
        name, equals, model = argument.partition("=")
        if name.startswith("rank.") or name in ("seed", "threads"):
            settings.append(argument)
        elif not equals or not name or not model:
            raise UserError(f"{argument!r} is no player: write name=model, for example rl=runs/pocket/rl.")
        elif name in models:
            raise UserError(f"the player {name} is there twice: {models[name]} and {model}. Give each its own name.")
        else:
            models[name] = Path(model)
    return models, settings


def chat_settings(overrides: Sequence[str]) -> ChatConfig:
    """The settings of a conversation. Raises UserError listing every mistake."""
    return validate(ChatConfig, [parse_override(text) for text in overrides])


def adapt_settings(overrides: Sequence[str]) -> AdaptSettings:
    """The settings of an adaptation. Raises UserError listing every mistake."""
    return validate(AdaptSettings, [parse_override(text) for text in overrides])


def differences(first: BaseModel, second: BaseModel) -> list[tuple[str, Any, Any]]:
    """The settings in which two recipes differ: key, value in the first, value in the second."""
    one, other = dict(_flat(first.model_dump(mode="json"))), dict(_flat(second.model_dump(mode="json")))
    keys = dict.fromkeys([*one, *other])
    return [(key, one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)]


def recipe_schema() -> dict[str, Any]:
    """JSON Schema of a recipe file, for editors."""
    schema = Recipe.model_json_schema()
    schema["required"] = []
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "the preset or .toml file whose settings hold where this recipe says nothing else",
    }
    schema["properties"]["depth"] = {"type": "integer", "minimum": 1, "description": "short for pretrain.depth"}
    return schema


def _turn_dial(layer: Layer) -> Layer:
    if "depth" not in layer.data:
        return layer
    data = {key: value for key, value in layer.data.items() if key != "depth"}
    return Layer(layer.source, merge([Layer("", {"pretrain": {"depth": layer.data["depth"]}}), Layer("", data)]))


def _in_stage(stage: str, layer: Layer) -> Layer:
    (key,) = layer.data
    own = Recipe.model_fields[stage].annotation
    assert isinstance(own, type)
    assert issubclass(own, BaseModel)
    known = key not in own.model_fields and (key in Recipe.model_fields or key == "depth")
    return layer if known else Layer(layer.source, {stage: layer.data})


def _within(keys: Sequence[str], key: str) -> bool:
    return any(f"{key}.".startswith(f"{known}.") for known in keys)


def _flat(table: Table, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
