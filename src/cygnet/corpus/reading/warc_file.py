"""The records of a WARC file (ISO 28500), damaged ones told: the only module that knows fastwarc."""

import re
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fastwarc.warc import ArchiveIterator, WarcRecord

_CHUNK = 1 << 20
_BEGIN = re.compile(rb"(?:^|\n)(WARC/\d\.\d\r?\n)")
_SWALLOWED = re.compile(rb"\r\n\r\nWARC/\d\.\d\r\nWARC-|\r\n\r\nWARC/\d\.\d\r\nContent-")
_OVERLAP = 32  # bytes; what `_SWALLOWED` finds is shorter
_GZIP = b"\x1f\x8b\x08"


@dataclass(frozen=True)
class WarcEntry:
    """One record: `status` is None where there is no HTTP header, `payload` None where it is longer than allowed."""

    kind: str
    url: str
    position: int
    length: int
    payload: bytes | None
    status: int | None
    warc: dict[str, str] = field(default_factory=dict)
    http: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Damage:
    """A place where the file is not what it says it is; reading went on at the next record that begins after it."""

    position: int
    detail: str
    url: str = ""


def read_warc(path: Path, most_bytes: int) -> Iterator[WarcEntry | Damage]:
    """Every record of a file, compressed or not, and a `Damage` for each stretch that can't be read as records.

    Wrong lengths are noticed by the next record's beginning; a record before a damaged stretch whose stated length is
    too short is given as far as it goes. Of a file that was compressed as a whole, nothing after damage can be read.
    One record is in memory at a time, and never more than `most_bytes` of it.
    """
    with path.open("rb") as file:
        start: int | None = 0
        unread: Damage | None = None  # what lies before `start`, if it is not `start` itself that can't be read
        while start is not None:
            entries = _read_from(file, start, most_bytes)
            first = next(entries, None)
            if unread is not None and not isinstance(first, Damage):
                yield unread
            if first is None:
                return
            yield first
            start, unread = yield from entries


def read_entry(path: Path, position: int, most_bytes: int) -> WarcEntry | Damage:
    """The record that begins at a byte of a file."""
    with path.open("rb") as file:
        found = next(_read_from(file, position, most_bytes), None)
    return found or Damage(position, "no record begins here")


def _read_from(
    file: BinaryIO, start: int, most_bytes: int
) -> Generator[WarcEntry | Damage, None, tuple[int | None, Damage | None]]:
    """Yield records from `start` on; return where to go on after damage, and what damage that was if it isn't told."""
    file.seek(start)
    last, any_yet = start, False
    try:
        for record in ArchiveIterator(file, parse_http=True, auto_decode="none"):
            last, any_yet = record.stream_pos, True
            entry = _entry(record, most_bytes)
            yield entry
            if isinstance(entry, Damage):
                return _next_beginning(file, last + 1), None
    except (OSError, ValueError) as error:
        following = _next_beginning(file, last + 1)
        if any_yet and following is not None:  # the next record may be the one that can't be read, and tells so itself
            return following, Damage(last, f"{error} after the record at byte {last}")
        yield Damage(last, str(error))
        return following, None
    if _ends_early(file, last):
        yield Damage(last, "the file ends inside of a record")
    return None, None


def _entry(record: WarcRecord, most_bytes: int) -> WarcEntry | Damage:
    headers = {name.lower(): value for name, value in record.headers.items()}
    position, length = record.stream_pos, record.content_length
    url = headers.get("warc-target-uri", "").strip("<>")
    stated = headers.get("content-length", "").strip()
    if not (stated.isascii() and stated.isdigit()):
        return Damage(position, f"its Content-Length is {stated!r}", url)
    if length > most_bytes:
        payload, read, swallowed = None, *_pass_over(record)
    else:
        payload = record.reader.read(length)
        read, swallowed = len(payload), _SWALLOWED.search(payload) is not None
    if swallowed:
        return Damage(position, f"its Content-Length of {stated} reaches into the next record", url)
    if read < length:
        return Damage(position, f"the file ends after {read} of {length} bytes of it", url)
    answered = record.http_headers if record.is_http_parsed else None
    http = {name.lower(): value for name, value in answered.items()} if answered is not None else {}
    status = answered.status_code if answered is not None else None
    return WarcEntry(
        headers.get("warc-type", "").strip().lower(), url, position, length, payload, status, headers, http
    )


def _pass_over(record: WarcRecord) -> tuple[int, bool]:
    """Read a long record to its end without keeping it: its length, and whether others begin in it."""
    read, tail, swallowed = 0, b"", False
    while chunk := record.reader.read(_CHUNK):
        swallowed = swallowed or _SWALLOWED.search(tail + chunk) is not None
        read, tail = read + len(chunk), chunk[-_OVERLAP:]
    return read, swallowed


def _next_beginning(file: BinaryIO, start: int) -> int | None:
    """The first byte from `start` on at which a record begins, or a gzip member with one in it."""
    file.seek(0)
    compressed = file.read(3) == _GZIP
    file.seek(start)
    position, tail = start, b""
    while chunk := file.read(_CHUNK):
        window, offset = tail + chunk, position - len(tail)
        for found in re.finditer(re.escape(_GZIP), window) if compressed else _BEGIN.finditer(window):
            place = offset + (found.start() if compressed else found.start(1))
            if not compressed or _is_member(file, place):
                return place
        position += len(chunk)
        file.seek(position)
        tail = window[-_OVERLAP:]
    return None


def _is_member(file: BinaryIO, place: int) -> bool:
    file.seek(place)
    try:
        return zlib.decompressobj(31).decompress(file.read(4096), 5) == b"WARC/"
    except zlib.error:
        return False


def _ends_early(file: BinaryIO, last: int) -> bool:
    """Whether the gzip member at `last`, or one after it, is cut off: fastwarc takes that for the end of the file."""
    file.seek(last)
    data = file.read(_CHUNK)
    if not data.startswith(_GZIP[: len(data)]):
        return False
    member = zlib.decompressobj(31)
    while data:
        try:
            member.decompress(data)
        except zlib.error:
            return True
        if member.eof and member.unused_data:
            data, member = member.unused_data, zlib.decompressobj(31)
        else:
            data = file.read(_CHUNK)
    return not member.eof
