"""What is other than it was in what a step is made of, in words."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cygnet.recipe.lineage import Ingredients

_MOST = 6  # differences that are told one by one
_LONGEST = 60


def changes(before: Ingredients, after: Ingredients) -> str:
    """The differences, each by its name: settings with both values, inputs by their paths, the code.

    Empty if there are none.
    """
    return listed(differences(before, after))


def differences(before: Ingredients, after: Ingredients, of: str = "") -> list[str]:
    """The same one by one; the settings said to be those `of` some other step."""
    whose = f" of {of}" if of else ""
    found = [*(said + whose for said in _settings(before.config, after.config)), *_inputs(before.inputs, after.inputs)]
    if before.version != after.version:
        found.append(f"the code it uses ({before.version} → {after.version})")
    return found


def listed(found: Sequence[str]) -> str:
    """Differences as one phrase; of many only the first."""
    more = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
    return ", ".join([*found[:_MOST], *more])


def _settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    one, other = dict(_flat(before)), dict(_flat(after))
    for key in dict.fromkeys([*one, *other]):
        if key not in one or key not in other or one[key] != other[key]:
            yield f"{key} ({_shown(one, key)} → {_shown(other, key)})"


def _inputs(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for path in dict.fromkeys([*before, *after]):
        if path not in before:
            yield f"the input {path}, which is new"
        elif path not in after:
            yield f"the input {path}, which is no longer one"
        elif before[path] != after[path]:
            yield f"what is in {path}"


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _shown(values: Mapping[str, Any], key: str) -> str:
    if key not in values:
        return "not there"
    text = json.dumps(values[key], ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
