"""Read TOML with every mistake told, and write it: the standard library only reads."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from cygnet.errors import UserError
from cygnet.settings.layers import Table

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def read_toml(path: Path) -> Table:
    """Parse one TOML file. Raises UserError naming the file when it is missing, can't be read or is malformed."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist.") from error
    except IsADirectoryError as error:
        raise UserError(f"{path} is a folder: name the .toml file in it.") from error
    except (NotADirectoryError, PermissionError) as error:
        raise UserError(f"{path} can't be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # TOML's and UTF-8's errors; numbers or brackets without end
        raise UserError(f"{path} can't be read as TOML: {error}") from error


def to_toml(table: dict[str, Any]) -> str:
    """A table of strings, numbers, booleans, lists and tables as TOML. What is None is left out: TOML has no null."""
    return "\n".join(_lines(table, ())).strip("\n") + "\n"


def _lines(table: dict[str, Any], path: tuple[str, ...]) -> list[str]:
    plain = {key: value for key, value in table.items() if value is not None and not isinstance(value, dict)}
    tables = {key: value for key, value in table.items() if isinstance(value, dict)}
    header = ["", f"[{'.'.join(map(_key, path))}]"] if path and (plain or not tables) else []
    own = [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    return header + own + [line for key, value in tables.items() for line in _lines(value, (*path, key))]


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _string(key)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, dict):
        inside = (f"{_key(key)} = {_value(item)}" for key, item in value.items() if item is not None)
        return f"{{{', '.join(inside)}}}"
    return repr(value)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
