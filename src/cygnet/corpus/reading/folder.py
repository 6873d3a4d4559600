"""Documents as files, as records."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from cygnet.corpus.extraction.charset import decode
from cygnet.corpus.extraction.isolated import Extract
from cygnet.corpus.extraction.page import HTML, PDF, Page, Unreadable
from cygnet.corpus.extraction.whitespace import tidy
from cygnet.corpus.reading.config import FolderSource
from cygnet.corpus.reading.sniff import binary_kind
from cygnet.corpus.records import Record, Skipped
from cygnet.errors import UserError

_TEXT = {".md": "text/markdown", ".txt": "text/plain", ".rst": "text/x-rst"}
_KINDS = {".html": HTML, ".htm": HTML, ".pdf": PDF} | _TEXT


def read_file(source: str, path: Path, config: FolderSource, extract: Extract) -> Iterator[Record | Skipped]:
    """One file as one record, its URL being its path.

    Raises:
        UserError: when the file can't be opened.
    """
    kind = _KINDS.get(path.suffix.lower())
    found = Unreadable("other_file_type", path.suffix) if kind is None else _read(path, kind, config, extract)
    if isinstance(found, Unreadable):
        yield Skipped(source, path.as_posix(), found.reason, found.detail)
    else:
        known = {"title": found.title, "charset": found.charset, "content_type": kind or ""}
        yield Record(source, path.as_posix(), found.text, {name: value for name, value in known.items() if value})


def _read(path: Path, kind: str, config: FolderSource, extract: Extract) -> Page | Unreadable:
    if kind == PDF and importlib.util.find_spec("pypdf") is None:
        return Unreadable("pdf_needs_extra", "pip install 'cygnet[pdf]' reads it")
    try:
        if (size := path.stat().st_size) > config.most_bytes:
            return Unreadable("too_long", f"{size} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"could not read {path}: {error.strerror}.") from error
    if not data.strip():
        return Unreadable("empty")
    if kind != PDF and (other := binary_kind(data)):
        return Unreadable("binary", other)
    if kind in (HTML, PDF):
        return extract(data, kind)
    text, charset = decode(data, meta=False)
    return Page(tidy(text), charset=charset) if tidy(text).strip() else Unreadable("empty")
