"""Pages written down as WARC 1.1: one gzip member a record, on the disk before anything else is told of them."""

import io
import os
import string
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

from warcio.archiveiterator import ArchiveIterator
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from cygnet.corpus.crawl.fetch import Headers, Response
from cygnet.corpus.crawl.links import payload_type
from cygnet.errors import UserError

_OPEN = ".open"
_BLOCK = 1 << 20
# No longer true of the body that is stored: it is unpacked, as Common Crawl stores it too.
_TRANSPORT = {"content-encoding", "transfer-encoding", "content-length"}


class WarcFiles:
    """The WARC files of a folder: `crawl-00001.warc.gz`, …, the one being written with `.open` behind its name."""

    def __init__(self, folder: Path, most_bytes: int, info: Mapping[str, str]) -> None:
        self._folder, self._most, self._info = folder, most_bytes, dict(info)
        self._file: BinaryIO | None = None
        self.name, self.size = "", 0

    def recover(self, name: str, size: int) -> Iterator[tuple[Response, int]]:
        """Open the unfinished file, if there is one, cut off what was written by halves, and give each page in it that
        was written after the first `size` bytes of the file `name`, with the place where it begins."""
        found = sorted(self._folder.glob(f"*.warc.gz{_OPEN}"))
        if not found:
            return
        path = found[-1]
        self.name = path.name.removesuffix(_OPEN)
        known = size if self.name == name else 0
        if path.stat().st_size < known:
            raise UserError(f"{path} is shorter than it was: part of it is lost. Begin a new crawl in another --out.")
        self._file = path.open("r+b")
        end, groups = known, []
        for start, stop, data in _groups(self._file, known):
            end = stop
            groups.append((start, data))
        self._file.truncate(end)
        self._file.seek(end)
        os.fsync(self._file.fileno())
        self.size = end
        for start, data in groups:
            response = _response_in(data)
            if response is not None:
                yield response, start

    def write(self, response: Response, date: str) -> int:
        """Add a page with its request; on the disk when this returns. Returns where it begins, in the file `name`."""
        if self._file is not None and self.size >= self._most:
            self.close()
        if self._file is None:
            self._begin()
        buffer = io.BytesIO()
        writer = WARCWriter(buffer, gzip=True, warc_version="1.1")
        writer.write_request_response_pair(_request_record(writer, response), _response_record(writer, response, date))
        start = self.size
        self._append(buffer.getvalue())
        return start

    def close(self) -> None:
        """Finish the file: its name loses `.open`."""
        if self._file is not None:
            self._file.close()
            self._file = None
            path = self._folder / (self.name + _OPEN)
            path.rename(self._folder / self.name)

    def leave(self) -> None:
        """Close the file as it is; the next run goes on in it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def read(self, name: str, start: int) -> Response | None:
        """The page that begins at `start` of the file `name`; None when it is there no more."""
        for path in (self._folder / name, self._folder / (name + _OPEN)):
            if path.is_file():
                with path.open("rb") as file:
                    found = next(_groups(file, start), None)
                return _response_in(found[2]) if found else None
        return None

    def names(self) -> list[str]:
        """All files, in order."""
        return sorted(path.name for path in self._folder.glob("*.warc.gz*") if path.name.endswith((".gz", _OPEN)))

    def _begin(self) -> None:
        last = max((int(name.split(".")[0].removeprefix("crawl-")) for name in self.names()), default=0)
        self.name, self.size = f"crawl-{last + 1:05}.warc.gz", 0
        self._file = (self._folder / (self.name + _OPEN)).open("xb")
        buffer = io.BytesIO()
        writer = WARCWriter(buffer, gzip=True, warc_version="1.1")
        writer.write_record(writer.create_warcinfo_record(self.name, self._info))
        self._append(buffer.getvalue())
        folder = os.open(self._folder, os.O_RDONLY)  # a new file's name has to be on the disk too
        os.fsync(folder)
        os.close(folder)

    def _append(self, data: bytes) -> None:
        assert self._file is not None
        self._file.write(data)
        self._file.flush()
        os.fsync(self._file.fileno())
        self.size += len(data)


def _response_record(writer: WARCWriter, response: Response, date: str) -> Any:
    kept: Headers = tuple(
        (_ascii(f"X-Crawl-{name}" if name.lower() in _TRANSPORT else name), _ascii(value))
        for name, value in response.headers
    )
    status = _ascii(f"{response.status} {response.reason}".strip())
    headers = StatusAndHeaders(status, [*kept, ("Content-Length", str(len(response.body)))], protocol="HTTP/1.1")
    about = {"WARC-Date": date, "WARC-Identified-Payload-Type": payload_type(response)}
    return writer.create_warc_record(
        response.url,
        "response",
        payload=io.BytesIO(response.body),
        length=len(response.body),
        http_headers=headers,
        warc_headers_dict=about,
    )


def _ascii(text: str) -> str:
    """Header text with what isn't printable ASCII escaped: Latin-1 can't be told from other bytes in a WARC file."""
    return quote(text, safe=string.digits + string.ascii_letters + string.punctuation + " ", encoding="latin-1")


def _request_record(writer: WARCWriter, response: Response) -> Any:
    parts = urlsplit(response.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = [("Host", parts.netloc), *response.sent]
    return writer.create_warc_record(
        response.url, "request", http_headers=StatusAndHeaders(f"GET {target} HTTP/1.1", headers, is_http_request=True)
    )


def _groups(file: BinaryIO, start: int) -> Iterator[tuple[int, int, bytes]]:
    """The whole groups of records from `start` on: a response with its request, or a warcinfo; where each begins and
    ends, and its first record, unpacked. What is torn at the end is no group."""
    place, pending = start, None
    while (found := _member(file, place)) is not None:
        data, end = found
        kind = _record_type(data)
        if kind == "response":
            pending = (place, data)
        elif kind == "request" and pending is not None:
            yield pending[0], end, pending[1]
            pending = None
        else:
            yield place, end, data
        place = end


def _member(file: BinaryIO, place: int) -> tuple[bytes, int] | None:
    """The gzip member at `place`, unpacked, and where it ends; None if it isn't whole."""
    file.seek(place)
    inner, parts = zlib.decompressobj(zlib.MAX_WBITS | 16), []
    while not inner.eof:
        block = file.read(_BLOCK)
        if not block:
            return None
        place += len(block)
        try:
            parts.append(inner.decompress(block))
        except zlib.error:
            return None
    return b"".join(parts), place - len(inner.unused_data)


def _record_type(data: bytes) -> str:
    head = data.partition(b"\r\n\r\n")[0].decode("utf-8", errors="replace")
    named = (line.partition(":") for line in head.split("\r\n"))
    return next((value.strip() for name, _, value in named if name.lower() == "warc-type"), "")


def _response_in(data: bytes) -> Response | None:
    """The page in an unpacked response record."""
    for record in ArchiveIterator(io.BytesIO(data)):
        if record.rec_type == "response":
            headers = record.http_headers
            status, _, reason = headers.statusline.partition(" ")
            url = record.rec_headers.get_header("WARC-Target-URI")
            shown = tuple((str(name), str(value)) for name, value in headers.headers)
            return Response(url, int(status), reason, shown, record.content_stream().read())
    return None
