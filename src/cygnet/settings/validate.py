"""One validation for every setting: all mistakes at once, each with its source, its key and a near miss."""

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from cygnet.errors import UserError
from cygnet.settings.layers import Layer, merge

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[str | int, ...]

_KEYS = re.compile(r"\w+(?:\.\w+)*")


def validate(model: type[Model], layers: Sequence[Layer]) -> Model:
    """Merge the layers and make a `model` of them.

    Validation is strict (1.5 or "3" is no integer) except that an array may be given where a tuple is wanted.

    Raises:
        UserError: listing every mistake.
    """
    document = json.dumps(merge(layers, set(_sections(model))), default=str)
    try:
        return model.model_validate_json(document, strict=True)
    except ValidationError as error:
        details = _told_once(error.errors(include_url=False))
        problems = [_describe(model, layers, detail) for detail in details]
    if len(problems) == 1:
        raise UserError(problems[0])
    raise UserError("\n  ".join([f"{len(problems)} mistakes in the settings:", *problems]))


def dotted_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key that `model` takes, as `section.key`."""
    for name, field in model.model_fields.items():
        yield prefix + name
        for section in _models_in(field.annotation):
            yield from dotted_keys(section, f"{prefix}{name}.")


def _sections(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key that stands for keys of its own; one whose names the user chooses is a value, like an array."""
    for name, field in model.model_fields.items():
        if get_origin(field.annotation) not in (dict, list, tuple):
            for section in _models_in(field.annotation):
                yield prefix + name
                yield from _sections(section, f"{prefix}{name}.")


def _told_once(details: Sequence[Any]) -> list[Any]:
    """Mistakes without those that follow from others: an array whose items are wrong is not too short as well."""
    around = {detail["loc"][:depth] for detail in details for depth in range(len(detail["loc"]))}
    return [detail for detail in details if detail["type"] != "too_short" or detail["loc"] not in around]


def _describe(model: type[BaseModel], layers: Sequence[Layer], detail: Any) -> str:
    location: Location = detail["loc"]
    key = ".".join(str(part) for part in location)
    where = ": ".join(filter(None, (_sources(layers, detail), key)))
    if detail["type"] == "extra_forbidden":
        return f"{where}: there is no such key.{_did_you_mean(model, key)}"
    if detail["type"] == "missing":
        return f"{where}: is required."
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if message == "should be an object":
        message = "should be a table of settings"
    found = "" if isinstance(detail["input"], dict) else f" (found {json.dumps(detail['input'], ensure_ascii=False)})"
    return f"{where}: {message}{found}"


def _sources(layers: Sequence[Layer], detail: Any) -> str:
    """Where a mistake was made: of one in how keys of a section go together, wherever those that it names were set."""
    location: Location = detail["loc"]
    together = detail["type"] == "value_error" and isinstance(detail["input"], dict)
    words = [tuple(word.split(".")) for word in _KEYS.findall(detail["msg"])] if together else []
    places = [(*location, *word) for word in words if _sets(detail["input"], word)] or [location]
    return " and ".join(dict.fromkeys(filter(None, (_source(layers, place) for place in places))))


def _source(layers: Sequence[Layer], location: Location) -> str:
    """The layer whose word was the last on this key, or the recipe's own file when none set it."""
    for layer in reversed(layers):
        if _sets(layer.data, location):
            return layer.source
    files = [layer.source for layer in layers if not layer.source.startswith("the argument ")]
    return files[-1] if files else ""


def _sets(value: Any, location: Location) -> bool:
    for part in location:
        if isinstance(value, list):  # an array is always set as a whole
            return True
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


def _did_you_mean(model: type[BaseModel], key: str) -> str:
    """A key of the same section that ends so or looks alike; else the same name, or one alike, in another section."""
    section, _, name = key.rpartition(".")
    every = [known.rpartition(".") for known in dotted_keys(model)]
    beside = {known: ".".join(filter(None, (place, known))) for place, _, known in every if place == section}
    anywhere = {known: ".".join(filter(None, (place, known))) for place, _, known in reversed(every)}
    near = [beside[known] for known in beside if known.endswith(f"_{name}")]
    near += [beside[found] for found in difflib.get_close_matches(name, beside, n=1)]
    near += [anywhere[found] for found in difflib.get_close_matches(name, anywhere, n=1, cutoff=0.75)]
    return f" Did you mean {near[0]}?" if near else ""


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
