"""What HTTP did to a page on its way (RFC 9110, RFC 9112), undone up to a limit."""

import re
import zlib

import pyarrow as pa

_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]+)[^\r\n]*\r?\n")
_BY_ARROW = {"br": "brotli", "zstd": "zstd"}


class BodyError(Exception):
    """A body that can't be decoded."""


class BodyTooLongError(BodyError):
    """A body that is longer than allowed once it is unpacked."""


def decode_body(body: bytes, transfer: str, content: str, most_bytes: int) -> bytes:
    """`body` without chunks and compression, given the headers Transfer-Encoding and Content-Encoding.

    A body that is not what the headers say but plain is taken as it is: many crawlers unpack and leave the headers.
    One cut off gives what there is of it.

    Raises:
        BodyTooLongError: when it unpacks to more than `most_bytes`; no more is unpacked.
        BodyError: when it can't be unpacked.
    """
    if "chunked" in transfer.lower():
        body = _join_chunks(body)
    for encoding in reversed([name.strip().lower() for name in content.split(",")]):
        body = _unpack(body, encoding, most_bytes)
        if len(body) > most_bytes:
            raise BodyTooLongError(f"more than {most_bytes} bytes when unpacked")
    return body


def _join_chunks(body: bytes) -> bytes:
    parts: list[bytes] = []
    place = 0
    while found := _CHUNK_SIZE.match(body, place):
        size = int(found[1], 16)
        if size == 0:
            return b"".join(parts)
        parts.append(body[found.end() : found.end() + size])
        place = found.end() + size
        place += 2 if body[place : place + 2] == b"\r\n" else 1
    return b"".join(parts) if place >= len(body) and parts else body


def _unpack(body: bytes, encoding: str, most_bytes: int) -> bytes:
    try:
        if encoding in ("gzip", "x-gzip") and body.startswith(b"\x1f\x8b"):
            return zlib.decompressobj(31).decompress(body, most_bytes + 1)
        if encoding == "deflate" and not body.lstrip().startswith(b"<"):
            wrapped = body[:1] == b"\x78"  # zlib's header, which many leave out
            return zlib.decompressobj(15 if wrapped else -15).decompress(body, most_bytes + 1)
        if encoding in _BY_ARROW and not body.lstrip().startswith(b"<"):
            with pa.CompressedInputStream(pa.BufferReader(body), _BY_ARROW[encoding]) as stream:
                unpacked: bytes = stream.read(most_bytes + 1)
                return unpacked
    except (zlib.error, OSError) as error:
        raise BodyError(f"{encoding}: {error}") from error
    return body
