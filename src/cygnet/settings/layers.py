"""Layers of settings, from files and from `key=value` arguments; a later one wins over an earlier one."""

import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from cygnet.errors import UserError

Table = dict[str, Any]


@dataclass(frozen=True)
class Layer:
    """Settings from one place; a later layer wins over an earlier one."""

    source: str
    data: Table


def merge(layers: Sequence[Layer], sections: Collection[str] = ()) -> Table:
    """One table out of many: sections merge key by key; a key's value, be it an array or a table, is replaced whole.

    sections: the dotted keys of those that lie within others, such as sft.adapter; they merge key by key too.
    """
    merged: Table = {}
    for layer in layers:
        for key, value in layer.data.items():
            both = isinstance(value, dict) and isinstance(merged.get(key), dict)
            merged[key] = _over(merged[key], value, f"{key}.", sections) if both else value
    return merged


def _over(before: Table, after: Table, prefix: str, sections: Collection[str]) -> Table:
    merged = {**before, **after}
    for key in before.keys() & after.keys():
        one, other = before[key], after[key]
        if prefix + key in sections and isinstance(one, dict) and isinstance(other, dict):
            merged[key] = _over(one, other, f"{prefix}{key}.", sections)
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
