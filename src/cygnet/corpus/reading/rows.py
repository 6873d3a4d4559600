"""Rows of a table or of JSON objects, as records."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cygnet.corpus.extraction.whitespace import tidy
from cygnet.corpus.records import Record, Skipped


def record_of_row(
    source: str, place: str, row: Mapping[str, Any], columns: Mapping[str, str], most_bytes: int
) -> Record | Skipped:
    """The record in a row: `columns` says where its text is, its URL (else it is `place`) and its metadata.

    Metadata that is not a string is written as JSON; null is left out.
    """
    text = lookup(row, columns["text"])
    if not isinstance(text, str):
        found = "null" if text is None else type(text).__name__
        return Skipped(source, place, "not_text", f"column {columns['text']}: {found}")
    if len(text) > most_bytes:
        return Skipped(source, place, "too_long", f"{len(text)} characters")
    text = tidy(text)
    if not text.strip():
        return Skipped(source, place, "empty")
    known = {name: _string(lookup(row, column)) for name, column in columns.items() if name != "text"}
    url = known.pop("url", "") or place
    return Record(source, url, text, {name: value for name, value in known.items() if value})


def lookup(row: Any, column: str) -> Any:
    """The value of a column; `a.b` is what a column of that name holds, else field b of column a. None if missing."""
    if not isinstance(row, Mapping):
        return None
    if column in row:
        return row[column]
    first, _, rest = column.partition(".")
    return lookup(row.get(first), rest) if rest else None


def place_of(path: Path, row: int) -> str:
    """How a row is called that has no URL; rows count from 1."""
    return f"{path.as_posix()}#{row}"


def _string(value: Any) -> str:
    if value is None:
        return ""
    return tidy(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
