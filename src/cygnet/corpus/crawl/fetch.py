"""One request: the answer as it came, within bounds of bytes and time, or why there is none."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpcore

from cygnet.corpus.crawl.addresses import CheckedBackend, PrivateAddressError
from cygnet.corpus.crawl.settings import CrawlSettings
from cygnet.corpus.crawl.unpacking import DamagedError, TooLargeError, unpacker

Headers = tuple[tuple[str, str], ...]

_BODILESS = {204, 304}


@dataclass(frozen=True)
class Response:
    """An answer. `body` is unpacked; `headers` are as they came; `sent` are the request's."""

    url: str
    status: int
    reason: str
    headers: Headers
    body: bytes
    sent: Headers = ()

    def header(self, name: str) -> str:
        """The first header of this name, or ""."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    def all(self, name: str) -> list[str]:
        """Every header of this name."""
        return [value for key, value in self.headers if key.lower() == name]

    @property
    def location(self) -> str | None:
        """Where it redirects to, if it does."""
        return (self.header("location") or None) if self.status in {301, 302, 303, 307, 308} else None


class FetchError(Exception):
    """No answer. `outcome` is a fixed name; `again` says whether it might do better another time."""

    def __init__(self, outcome: str, detail: str, again: bool = False) -> None:
        super().__init__(detail)
        self.outcome, self.detail, self.again = outcome, detail, again


class Fetcher:
    """Sends requests, over connections that are kept while they are of use."""

    def __init__(self, settings: CrawlSettings) -> None:
        self._settings = settings
        self._pool = httpcore.AsyncConnectionPool(
            network_backend=CheckedBackend(settings.allow_private), max_connections=100, keepalive_expiry=30.0
        )

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.__aexit__(kind, error, trace)

    async def get(
        self,
        url: str,
        conditions: Mapping[str, str] | None = None,
        most: int | None = None,
        wanted: Callable[[Response], bool] = lambda _: True,
        cut: bool = False,
    ) -> Response:
        """Ask for `url`. `wanted` sees the answer before its body, which is left unread if it says no.

        most: bytes of the body, unpacked; with `cut` what is beyond is left off instead of being an error.

        Raises:
            FetchError: private_address, unreachable, broken_off, timed_out, too_big or damaged.
        """
        sent = {
            "Accept": "text/html, application/xhtml+xml, text/plain, text/markdown, application/pdf, */*;q=0.1",
            "Accept-Encoding": "gzip, deflate, br",
            "User-Agent": self._settings.user_agent,
            **(conditions or {}),
        }
        seconds = self._settings.page_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._get(url, tuple(sent.items()), most or self._settings.page_bytes, wanted, cut)
        except TimeoutError as error:
            raise FetchError("timed_out", f"it took longer than {seconds:g} s", again=True) from error
        except PrivateAddressError as error:
            raise FetchError("private_address", str(error)) from error
        except TooLargeError as error:
            raise FetchError("too_big", f"more than {most or self._settings.page_bytes:,} bytes") from error
        except DamagedError as error:
            raise FetchError("damaged", str(error)) from error
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            raise FetchError("unreachable", f"{error}" or type(error).__name__, again=True) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            raise FetchError("broken_off", f"{error}" or type(error).__name__, again=True) from error
        except (httpcore.UnsupportedProtocol, ValueError, UnicodeError) as error:
            raise FetchError("damaged", f"{error}" or type(error).__name__) from error

    async def _get(self, url: str, sent: Headers, most: int, wanted: Callable[[Response], bool], cut: bool) -> Response:
        async with self._pool.stream("GET", url, headers=list(sent)) as answer:
            headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers)
            reason = answer.extensions.get("reason_phrase", b"").decode("latin-1")
            response = Response(url, answer.status, reason, headers, b"", sent)
            if answer.status in _BODILESS or not wanted(response):
                return response
            body = await self._body(answer, ",".join(response.all("content-encoding")), most, cut)
        return Response(url, answer.status, reason, headers, body, sent)

    async def _body(self, answer: httpcore.Response, encoding: str, most: int, cut: bool) -> bytes:
        unpack = unpacker(encoding, most)
        parts = []
        slice_began = time.monotonic()
        try:
            async for data in answer.aiter_stream():
                parts.append(unpack.feed(data))
                if time.monotonic() - slice_began > 0.1:  # other hosts, and our own time limit, get a turn
                    await asyncio.sleep(0)
                    slice_began = time.monotonic()
            unpack.end()
        except TooLargeError:
            if not cut:
                raise
        return b"".join(parts)
