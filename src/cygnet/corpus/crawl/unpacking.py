"""Content-Encoding undone as the bytes come, and never more of them than asked for: small bombs unpack to gigabytes."""

import zlib
from typing import Protocol

import brotli

_BLOCK = 64 * 1024


class TooLargeError(Exception):
    """More came out than was allowed."""


class DamagedError(Exception):
    """The bytes are not what Content-Encoding says."""


class Unpacker(Protocol):
    """Takes packed bytes, gives unpacked ones."""

    def feed(self, data: bytes) -> bytes:
        """The next bytes. Raises TooLargeError or DamagedError."""
        ...

    def end(self) -> None:
        """Nothing more comes. Raises DamagedError if something is missing."""
        ...


def unpacker(encoding: str, most: int) -> Unpacker:
    """For a Content-Encoding header; at most `most` bytes come out. Raises DamagedError for one that isn't known."""
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return _Plain(most)
    if name in {"gzip", "x-gzip", "deflate"}:
        return _Zlib(most)
    if name == "br":
        return _Brotli(most)
    raise DamagedError(f"the encoding {encoding[:40]!r} is not known")


class _Bounded:
    def __init__(self, most: int) -> None:
        self.left = most

    def counted(self, data: bytes) -> bytes:
        self.left -= len(data)
        if self.left < 0:
            raise TooLargeError
        return data


class _Plain(_Bounded):
    def feed(self, data: bytes) -> bytes:
        return self.counted(data)

    def end(self) -> None:
        """Plain bytes end anywhere."""


class _Zlib(_Bounded):
    """gzip and deflate; the latter also as servers send it who forget zlib's header (RFC 9110, section 8.4.1.2)."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self._head = b""
        self._inner: zlib._Decompress | None = None

    def feed(self, data: bytes) -> bytes:
        if self._inner is None:
            self._head += data
            if len(self._head) < 2:
                return b""
            data, bits = self._head, zlib.MAX_WBITS | 32  # which of gzip and zlib, it finds out by itself
            headed = data.startswith(b"\x1f\x8b") or (data[0] & 15 == 8 and int.from_bytes(data[:2]) % 31 == 0)
            self._inner = zlib.decompressobj(bits if headed else -zlib.MAX_WBITS)
        out = []
        while data and not self._inner.eof:
            try:
                some = self._inner.decompress(data, _BLOCK)
            except zlib.error as error:
                raise DamagedError(str(error)) from error
            out.append(self.counted(some))
            data = self._inner.unconsumed_tail
        return b"".join(out)

    def end(self) -> None:
        if self._head and (self._inner is None or not self._inner.eof):
            raise DamagedError("it breaks off")


class _Brotli(_Bounded):
    def __init__(self, most: int) -> None:
        super().__init__(most)
        self._inner = brotli.Decompressor()
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        self._begun = self._begun or bool(data)
        out = []
        while not self._inner.is_finished():
            try:
                some = self._inner.process(data, output_buffer_limit=_BLOCK)
            except brotli.error as error:
                raise DamagedError(str(error)) from error
            out.append(self.counted(some))
            data = b""
            if self._inner.can_accept_more_data():
                break
        return b"".join(out)

    def end(self) -> None:
        if self._begun and not self._inner.is_finished():
            raise DamagedError("it breaks off")
