"""Where a recipe's settings come from: TOML files that extend one another, then `key=value` on the command line."""

import difflib
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from cygnet.errors import UserError

Table = dict[str, Any]

_PRESETS = Path(str(resources.files("cygnet.recipe"))) / "presets"


@dataclass(frozen=True)
class Layer:
    """Settings from one place; a later layer wins over an earlier one."""

    source: str
    data: Table


def preset_names() -> list[str]:
    """The recipes that come with cygnet, by name."""
    return sorted(path.stem for path in _PRESETS.glob("*.toml"))


def recipe_layers(recipe: str, overrides: Sequence[str] = ()) -> list[Layer]:
    """The layers of a preset's name, a `.toml` file or a run folder, what it extends first, overrides last.

    A recipe is named after its own file unless that file says `name`: names are not inherited.

    Raises:
        UserError: for a recipe that isn't there or isn't TOML, a circle of `extends`, a malformed override.
    """
    layers = _with_what_it_extends(_locate(recipe, Path()), seen=())
    own = layers[-1]
    named = {"name": Path(own.source).stem, **own.data}
    return [*layers[:-1], Layer(own.source, named), *(parse_override(text) for text in overrides)]


def merge(layers: Sequence[Layer]) -> Table:
    """One table out of many: sections merge key by key; a key's value, be it an array or a table, is replaced whole."""
    merged: Table = {}
    for layer in layers:
        for key, value in layer.data.items():
            both = isinstance(value, dict) and isinstance(merged.get(key), dict)
            merged[key] = {**merged[key], **value} if both else value
    return merged


def parse_override(text: str) -> Layer:
    """Read `key.path=value`, the value being TOML, or else a string: `sft.epochs=3`, `name=mine`.

    Raises:
        UserError: when there is no `=` or a part of the key is empty.
    """
    key, equals, value = text.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        raise UserError(f"{text!r} is not a setting: write key=value, for example depth=4 or sft.epochs=3.")
    data: Any = _parse_value(value.strip())
    for part in reversed(parts):
        data = {part: data}
    return Layer(f"the argument {text}", data)


def _parse_value(value: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return value
    return parsed["value"] if len(parsed) == 1 else value


def _with_what_it_extends(path: Path, seen: tuple[Path, ...]) -> list[Layer]:
    if path in seen:
        circle = " → ".join(str(step) for step in (*seen[seen.index(path) :], path))
        raise UserError(f"recipes extend each other in a circle: {circle}. Remove one `extends`.")
    data = _read_table(path)
    extends = data.pop("extends", None)
    below: list[Layer] = []
    if extends is not None:
        if not isinstance(extends, str):
            raise UserError(f"{path}: extends: should be one recipe's name or path, in quotes (found {extends!r}).")
        below = _with_what_it_extends(_locate(extends, path.parent, named_in=path), (*seen, path))
    return [*below, Layer(str(path), data)]


def _locate(recipe: str, folder: Path, named_in: Path | None = None) -> Path:
    """The file of a recipe: a preset by its name, otherwise a path relative to `folder`."""
    if recipe in preset_names():
        return _PRESETS / f"{recipe}.toml"
    path = folder / recipe
    if path.is_dir():
        path = path / "recipe.json"
    if path.is_file():
        return path.resolve() if named_in else path
    where = f"{named_in}: extends: " if named_in else ""
    near = difflib.get_close_matches(recipe, preset_names(), n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise UserError(
        f"{where}there is no recipe {recipe!r}.{hint} It can be one of {', '.join(preset_names())}, "
        "the path of a .toml file, or a run folder."
    )


def _read_table(path: Path) -> Table:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".json":
            return tomllib.loads(text)
        saved = json.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} can't be read as a recipe: {error}") from error
    saved.pop("hash", None)
    return dict(saved)
