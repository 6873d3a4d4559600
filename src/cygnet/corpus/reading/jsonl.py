"""JSON Lines, as records."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cygnet.corpus.reading.config import JsonlSource
from cygnet.corpus.reading.lines import CutOff, TooLong, read_lines
from cygnet.corpus.reading.rows import lookup, place_of, record_of_row
from cygnet.corpus.records import Record, Skipped
from cygnet.errors import UserError

SUFFIXES = tuple(f"{name}{packed}" for name in (".jsonl", ".ndjson") for packed in ("", ".gz", ".zst", ".bz2"))
_ENOUGH = 100  # objects without the column: then it is the column that is wrong, not they


def read_objects(source: str, path: Path, config: JsonlSource) -> Iterator[Record | Skipped]:
    """One `Record` or `Skipped` a line; empty lines don't count.

    Raises:
        UserError: when the file can't be opened, or its objects don't have the column for the text.
    """
    column, seen, missing = config.columns["text"], False, 0
    names: Mapping[str, Any] = {}
    for number, line in enumerate(read_lines(path, config.most_bytes), 1):
        row = _parse(source, place_of(path, number), line)
        if row is None or isinstance(row, Skipped):
            yield from () if row is None else (row,)
            continue
        if not seen and lookup(row, column) is None and column not in row:
            missing, names = missing + 1, names or row
            if missing == _ENOUGH:
                break
        else:
            seen = True
        yield record_of_row(source, place_of(path, number), row, config.columns, config.most_bytes)
    if missing and not seen:
        there = ", ".join(names) or "none"
        raise UserError(f"{path} has no column {column!r}. Its columns are: {there}. Set columns.text in corpus.toml.")


def _parse(source: str, place: str, line: bytes | TooLong | CutOff) -> dict[str, Any] | Skipped | None:
    """The object in a line; None for an empty one."""
    if isinstance(line, TooLong):
        return Skipped(source, place, "too_long", f"a line of {line.length} bytes")
    if isinstance(line, CutOff):
        return Skipped(source, place, "damaged_file", f"nothing from here on could be read: {line.detail}")
    if not line.strip():
        return None
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return Skipped(source, place, "not_utf8", f"byte {error.start} of the line")
    except (ValueError, RecursionError) as error:
        return Skipped(source, place, "not_json", str(error)[:300])
    return row if isinstance(row, dict) else Skipped(source, place, "not_an_object", type(row).__name__)
