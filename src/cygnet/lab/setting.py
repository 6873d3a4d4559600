"""A technique as data and as Python: by name every field that is not at its default or holds words, and so on inwards.

Words are spelled out because they are what the model reads: another version's defaults must not change them.

Techniques are dataclasses, so one walk over their fields does it for all. A new technique is one more name in `_KINDS`.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, get_args

from cygnet.errors import UserError
from cygnet.generation.constraint import Constraint
from cygnet.generation.request import Sampling
from cygnet.lab.equipment import IndexFile, ToolName, make_tool
from cygnet.lab.lora import Adapted, AdapterFolder
from cygnet.lab.readers import ReadChoice, ReadJson, ReadNumber, ReadPattern, ReadText
from cygnet.lab.selectors import Similar
from cygnet.lab.steps import StepSearch
from cygnet.lab.verifiers import FitsSchema, MatchesPattern, PythonCheck
from cygnet.lm.base import LanguageModel
from cygnet.techniques import (
    BestOf,
    ChainOfThought,
    Chat,
    Disagreement,
    Document,
    Example,
    FewShot,
    FewShotChainOfThought,
    Persona,
    Plain,
    ReAct,
    Reflect,
    Route,
    Technique,
    Transcript,
    Vote,
)
from cygnet.techniques.retrieval.retrieve import Retrieve
from cygnet.techniques.tools.tool import Tool

# What a setting may be made of, by the module that a reader of the exported file imports it from.
_KINDS: dict[str, tuple[type, ...]] = {
    "cygnet": (Sampling,),
    "cygnet.generation.constraint": (Constraint,),
    "cygnet.lab": (
        *(ReadChoice, ReadJson, ReadNumber, ReadPattern, ReadText),
        *(Adapted, AdapterFolder, IndexFile, Similar, FitsSchema, MatchesPattern, PythonCheck),
        StepSearch,
    ),
    "cygnet.techniques": (
        *(Plain, FewShot, Persona, ChainOfThought, FewShotChainOfThought, Vote, Reflect, BestOf, Route, Disagreement),
        *(Chat, Document, Example, ReAct, Transcript),
    ),
    "cygnet.techniques.retrieval": (Retrieve,),
}
_BY_NAME = {kind.__name__: kind for kinds in _KINDS.values() for kind in kinds}
_TOOL = "tool"  # tools are known by their names, as functions are no data
_WIDTH = 110


def to_data(value: Any) -> Any:
    """A technique, or a part of one, as JSON values; objects say under "is" what they are."""
    if isinstance(value, Tool):
        return {"is": _TOOL, "name": value.name}
    if is_dataclass(value):
        return {"is": _name(value), **{name: to_data(part) for name, part in _parts(value)}}
    if isinstance(value, Mapping):
        return {name: to_data(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [to_data(part) for part in value]
    if isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{value!r} can't be written down: it is neither a value nor one of {', '.join(_BY_NAME)}")


def from_data(data: Any, lm: LanguageModel) -> Any:
    """The technique that `to_data` wrote, asking `lm`. Raises UserError for what it would not have written."""
    if isinstance(data, list):
        return tuple(from_data(part, lm) for part in data)
    if not isinstance(data, dict):
        return data
    if data.get("is") == _TOOL:
        return _tool(data.get("name"))
    kind = _kind(data.get("is"))
    taken = {field.name: field for field in fields(kind) if field.init}
    plain = {name for name, field in taken.items() if isinstance(_default(field), Mapping)}
    given = {name: part if name in plain else from_data(part, lm) for name, part in data.items() if name != "is"}
    for name in given:
        if name not in taken or name == "lm":
            near = difflib.get_close_matches(name, taken, n=1)
            raise UserError(f"{kind.__name__} has no {name!r}.{f' Did you mean {near[0]}?' if near else ''}")
    if "lm" in taken:
        given["lm"] = lm
    missing = [name for name, field in taken.items() if name not in given and _is_required(field)]
    if missing:
        raise UserError(f"{kind.__name__} needs {', '.join(missing)}.")
    for name, part in given.items():
        if name != "lm" and not _fits(part, _default(taken[name])):
            raise UserError(f"{kind.__name__} can't have {part!r} for {name}.")
    return kind(**given)


def to_code(value: Any, indent: int = 0) -> str:
    """A technique as a Python expression in which the model is called `lm`."""
    if isinstance(value, Tool):
        return f'make_tool("{value.name}")'
    if is_dataclass(value):
        own = {"lm": "lm"} if _asks(value) else {}
        written = own | {name: to_code(part, indent + 4) for name, part in _parts(value)}
        return _bracketed(f"{_name(value)}(", [f"{name}={code}" for name, code in written.items()], ")", indent)
    if isinstance(value, list | tuple):
        parts = [to_code(part, indent + 4) for part in value]
        return _bracketed("(", parts, ",)" if len(parts) == 1 else ")", indent)
    return repr(dict(value)) if isinstance(value, Mapping) else repr(value)


def imports(technique: Technique) -> str:
    """The lines that import what `to_code` names, and `load`, which opens the model."""
    named = set(_names(technique))
    lines = []
    for module, kinds in _KINDS.items():
        found = sorted(kind.__name__ for kind in kinds if kind.__name__ in named)
        if module == "cygnet.lab" and make_tool.__name__ in named:
            found.append(make_tool.__name__)
        if module == "cygnet":
            found.append("load")
        if found:
            lines.append(f"from {module} import {', '.join(found)}")
    return "\n".join(lines)


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, Tool):
        yield make_tool.__name__
    elif is_dataclass(value):
        yield _name(value)
        for _, part in _parts(value):
            yield from _names(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _names(part)


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """The fields that are not at their defaults, and those that hold words; the model is not one of them."""
    for field in fields(value):
        part = getattr(value, field.name)
        if not field.init or isinstance(part, LanguageModel):
            continue
        words = isinstance(part, str | Mapping) and part
        if words or _is_required(field) or part != _default(field):
            yield field.name, part


def _default(field: "Field[Any]") -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _fits(part: Any, default: Any) -> bool:
    """Whether a part is of the same sort as its default, where that says enough."""
    if callable(default):  # a form, a parser
        return callable(part)
    if isinstance(default, Sampling):
        return isinstance(part, Sampling)
    if is_dataclass(default):
        return is_dataclass(part)
    return not isinstance(default, str) or isinstance(part, str) or callable(part)


def _is_required(field: "Field[Any]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _asks(value: Any) -> bool:
    return any(field.init and field.name == "lm" for field in fields(value))


def _name(value: Any) -> str:
    name = type(value).__name__
    if _BY_NAME.get(name) is not type(value):
        raise TypeError(f"{name} is not one of {', '.join(_BY_NAME)}")
    return name


def _kind(name: Any) -> type[Any]:
    if name not in _BY_NAME:
        near = difflib.get_close_matches(str(name), _BY_NAME, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UserError(f"a setting is said to be {name!r}, which there isn't.{hint}")
    return _BY_NAME[name]


def _tool(name: Any) -> Tool:
    if name not in get_args(ToolName):
        raise UserError(f"there is no tool {name!r}, only {', '.join(get_args(ToolName))}.")
    return make_tool(name)


def _bracketed(opening: str, parts: list[str], closing: str, indent: int) -> str:
    """On one line where it fits, else a line for each part."""
    line = f"{opening}{', '.join(parts)}{closing}"
    if len(line) + indent <= _WIDTH and "\n" not in line:
        return line
    margin = " " * (indent + 4)
    inside = "".join(f"{margin}{part},\n" for part in parts)
    return f"{opening}\n{inside}{' ' * indent}{closing.removeprefix(',')}"
