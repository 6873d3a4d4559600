"""Files to documents: what their text is, and which titles stand above each part of it."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cygnet.techniques.retrieval.html_text import html_document
from cygnet.techniques.retrieval.sections import Section, markdown, plain, python, restructured_text

LARGEST = 50_000_000  # bytes of a file
_NOT_CONTENT = {"node_modules", "__pycache__", "site-packages"}


class LeftOutError(Exception):
    """A file that can't be searched; the message is the reason."""


@dataclass(frozen=True)
class Document:
    """One text of a file. `sections` cover it without gaps; row: its line in a JSON Lines file, from 1."""

    text: str
    sections: tuple[Section, ...]
    row: int | None = None


def find_files(place: Path) -> Iterator[Path]:
    """All files in a folder and below, sorted; or the one file. Hidden folders and installed packages are passed by."""
    if not place.is_dir():
        yield place
        return
    for folder, inner, names in os.walk(place):
        inner[:] = sorted(name for name in inner if not name.startswith(".") and name not in _NOT_CONTENT)
        yield from (Path(folder) / name for name in sorted(names))


def read_documents(path: Path, data: bytes) -> list[Document]:
    """The documents in a file's bytes. Raises LeftOutError when they can't be read as what the file's name says."""
    if b"\0" in data:
        raise LeftOutError("binary: it has zero bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LeftOutError("not UTF-8 text") from error
    if not text.strip():
        raise LeftOutError("empty")
    return _READERS[path.suffix.lower()](text)


def read_bytes(path: Path) -> bytes:
    """A file's bytes. Raises LeftOutError for a file of another kind, one that is too large, or can't be read."""
    if path.suffix.lower() not in _READERS:
        raise LeftOutError("another kind of file")
    try:
        if not path.is_file():
            raise LeftOutError("not a file")  # a broken link, a pipe: reading it could wait forever
        if path.stat().st_size > LARGEST:
            raise LeftOutError(f"larger than {LARGEST // 1_000_000} MB")
        return path.read_bytes()
    except OSError as error:
        raise LeftOutError(f"unreadable: {error.strerror}") from error


def _html(text: str) -> list[Document]:
    try:
        return [Document(*html_document(text))]
    except AssertionError as error:  # what html.parser raises for "<![odd["
        raise LeftOutError("HTML that can't be parsed") from error


def _rows(text: str) -> list[Document]:
    """One document a line: {"text": ..., "title": ...}, of which the title may be missing."""
    return [_row(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _row(number: int, line: str) -> Document:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LeftOutError(f"row {number} is not valid JSON") from error
    text = row.get("text") if isinstance(row, dict) else None
    if not isinstance(text, str):
        raise LeftOutError(f'row {number} has no "text"')
    title = row.get("title")
    titles = (title,) if isinstance(title, str) else ()
    if any("\ud800" <= character <= "\udfff" for words in (text, *titles) for character in words):
        raise LeftOutError(f"row {number} has half of a surrogate pair")
    return Document(text, tuple(plain(text, titles)), number)


def _with(sections: Callable[[str], list[Section]]) -> Callable[[str], list[Document]]:
    return lambda text: [Document(text, tuple(sections(text)))]


_READERS: dict[str, Callable[[str], list[Document]]] = {
    ".md": _with(markdown),
    ".markdown": _with(markdown),
    ".txt": _with(plain),
    ".text": _with(plain),
    ".rst": _with(restructured_text),
    ".py": _with(python),
    ".html": _html,
    ".htm": _html,
    ".jsonl": _rows,
}
SUFFIXES: tuple[str, ...] = tuple(_READERS)
