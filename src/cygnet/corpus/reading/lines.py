"""Lines of a file of any size, compressed or not, in little memory."""

import bz2
import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from cygnet.errors import UserError

_READERS: dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open}
_CHUNK = 1 << 20


@dataclass(frozen=True)
class TooLong:
    """A line that is longer than allowed, and how long it is in bytes."""

    length: int


@dataclass(frozen=True)
class CutOff:
    """The file can't be read any further: compressed data that is damaged or ends too early."""

    detail: str


def read_lines(path: Path, most_bytes: int) -> Iterator[bytes | TooLong | CutOff]:
    """The lines of a file, without their newlines; .gz, .zst, .bz2 are unpacked. Longer ones are passed, not held.

    Raises:
        UserError: when the file can't be opened.
    """
    try:
        stream = _open(path)
    except OSError as error:
        raise UserError(f"could not read {path}: {error}") from error
    with stream:
        yield from _lines(getattr(stream, "read1", stream.read), most_bytes)


def _open(path: Path) -> Any:
    """Python's own readers of .gz and .bz2 give what they have before they tell that the rest is missing."""
    if path.suffix in _READERS:
        return _READERS[path.suffix](path)
    return pa.input_stream(str(path), compression="detect", buffer_size=None)


def _lines(read: Callable[[int], bytes], most_bytes: int) -> Iterator[bytes | TooLong | CutOff]:
    parts: list[bytes] = []
    length = 0  # of the line so far, kept or not
    while True:
        try:
            chunk = read(_CHUNK)
        except (OSError, EOFError, zlib.error) as error:
            yield CutOff(str(error))
            return
        if not chunk:
            break
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            yield _line(parts, piece, length + len(piece), most_bytes)
            parts, length = [], 0
        length += len(rest)
        parts = [*parts, rest] if length <= most_bytes else []
    if length:
        yield _line(parts, b"", length, most_bytes)


def _line(parts: list[bytes], last: bytes, length: int, most_bytes: int) -> bytes | TooLong:
    return b"".join([*parts, last]) if length <= most_bytes else TooLong(length)
