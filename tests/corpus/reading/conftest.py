import io
from collections.abc import Callable
from typing import Any

import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from cygnet.corpus.extraction.page import ExtractionOptions, Page, Unreadable, read_page

MakeWarc = Callable[..., tuple[bytes, list[int]]]


def html(number: int) -> bytes:
    words = f"<title>Title {number}</title></head><body><main><p>Page {number} has words.</p></main>"
    return f"<html><head>{words}</body></html>".encode()


@pytest.fixture(scope="session")
def make_warc() -> MakeWarc:
    """Makes a WARC: a warcinfo record, then one for each (kind, status, headers, body); and where each begins."""

    def make(pages: list[tuple[str, str, list[tuple[str, str]], bytes]], gz: bool = True) -> tuple[bytes, list[int]]:
        out = io.BytesIO()
        writer = WARCWriter(out, gzip=gz)
        writer.write_record(writer.create_warcinfo_record("x.warc", {"software": "test"}))
        places = []
        for number, (kind, status, headers, body) in enumerate(pages):
            places.append(out.tell())
            http = StatusAndHeaders(status, headers, protocol="HTTP/1.1") if kind in ("response", "revisit") else None
            url = f"http://site.test/{number}"
            writer.write_record(
                writer.create_warc_record(url, kind, payload=io.BytesIO(body), http_headers=http, length=len(body))
            )
        return out.getvalue(), places

    return make


@pytest.fixture(scope="session")
def plain_pages() -> list[tuple[str, str, list[tuple[str, str]], bytes]]:
    """Four ordinary pages."""
    headers = [("Content-Type", "text/html; charset=utf-8")]
    return [("response", "200 OK", headers, html(number)) for number in range(4)]


@pytest.fixture(scope="session")
def extract() -> Any:
    """An `Extract` in this process."""

    def extract(data: bytes, kind: str, charset: str | None = None) -> Page | Unreadable:
        return read_page(data, kind, charset, ExtractionOptions())

    return extract
