"""Pages that a crawler stored, as records."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from cygnet.corpus.extraction.charset import decode
from cygnet.corpus.extraction.isolated import Extract
from cygnet.corpus.extraction.page import HTML, PDF, PDF_IS_READ, Page, Unreadable
from cygnet.corpus.extraction.whitespace import tidy
from cygnet.corpus.reading.config import SiteSource, WarcSource
from cygnet.corpus.reading.crawled import damaged, newest_fetches
from cygnet.corpus.reading.http_body import BodyError, BodyTooLongError, decode_body
from cygnet.corpus.reading.sniff import binary_kind, media_type, not_html
from cygnet.corpus.reading.warc_file import Damage, WarcEntry, read_warc
from cygnet.corpus.records import Record, Skipped

SUFFIXES = (".warc", ".warc.gz", ".wet", ".wet.gz")
_NO_PAGES = ("warcinfo", "request", "metadata")  # about pages, or the crawl: nothing is lost with them
_PLAIN = ("text/plain", "text/markdown", "text/x-rst")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w:.-]+)", re.IGNORECASE)


class _SkipError(Exception):
    """Why an entry gives no record: a reason and a detail."""


def read_pages(source: str, path: Path, config: WarcSource, extract: Extract) -> Iterator[Record | Skipped]:
    """One `Record` or `Skipped` for each response, resource, conversion and revisit of a WARC file, and each damage.

    Records of other kinds that hold no page (warcinfo, request, metadata) are not counted.
    """
    for entry in read_warc(path, config.most_bytes):
        if isinstance(entry, Damage) or entry.kind not in _NO_PAGES:
            yield read_page(source, path, entry, config.most_bytes, extract)


def read_newest(source: str, paths: Sequence[Path], config: SiteSource, extract: Extract) -> Iterator[Record | Skipped]:
    """The pages of one crawl, sorted by URL; of several fetches of one the newest, the others as `older_fetch`."""
    for found in newest_fetches(source, paths, config.most_bytes):
        yield found if isinstance(found, Skipped) else read_page(source, *found, config.most_bytes, extract)


def read_page(
    source: str, path: Path, entry: WarcEntry | Damage, most_bytes: int, extract: Extract
) -> Record | Skipped:
    """What is in an entry of a WARC file."""
    if isinstance(entry, Damage):
        return damaged(source, path, entry)
    place = entry.url or f"{path}@{entry.position}"
    try:
        return _record(source, place, entry, most_bytes, extract)
    except _SkipError as skip:
        return Skipped(source, place, *skip.args)


def _record(source: str, url: str, entry: WarcEntry, most_bytes: int, extract: Extract) -> Record:
    if entry.kind == "conversion":
        return _converted(source, url, entry)
    data, header = _page(entry, most_bytes)
    charset = _CHARSET.search(header)
    page = _read(data, not_html(header, data), charset[1] if charset else None, extract)
    if isinstance(page, Unreadable):
        raise _SkipError(page.reason, page.detail)
    found = {"title": page.title, "charset": page.charset, "content_type": media_type(header)}
    return Record(source, url, page.text, _known(entry, found))


def _read(data: bytes, kind: str | None, charset: str | None, extract: Extract) -> Page | Unreadable:
    """The text of a page of HTML (kind None), of a PDF, or of plain text and Markdown."""
    if kind is None:
        return extract(data, HTML, charset)
    if kind == PDF:
        return (
            extract(data, PDF) if PDF_IS_READ else Unreadable("pdf_needs_extra", "pip install 'cygnet[pdf]' reads it")
        )
    if kind in _PLAIN and binary_kind(data) is None:
        text, charset = decode(data, charset, meta=False)
        return Page(tidy(text), "", charset)
    return Unreadable("not_text", kind)


def _page(entry: WarcEntry, most_bytes: int) -> tuple[bytes, str]:
    """The bytes of a response or resource, and its Content-Type."""
    if entry.kind == "response":
        if entry.status is None:
            raise _SkipError("not_http", entry.warc.get("content-type", ""))
        if 300 <= entry.status < 400:
            raise _SkipError("redirect", f"{entry.status} {entry.http.get('location', '')}".strip())
        if entry.status != 200:
            raise _SkipError("http_status", str(entry.status))
    elif entry.kind != "resource":
        raise _SkipError("revisit" if entry.kind == "revisit" else "record_kind", entry.kind)
    headers = entry.http if entry.kind == "response" else {"content-type": entry.warc.get("content-type", "")}
    data = _payload(entry)
    try:
        transfer, content = headers.get("transfer-encoding", ""), headers.get("content-encoding", "")
        data = decode_body(data, transfer, content, most_bytes)
    except BodyTooLongError as error:
        raise _SkipError("too_long", str(error)) from error
    except BodyError as error:
        raise _SkipError("damaged_body", str(error)) from error
    if not data.strip():
        raise _SkipError("empty")
    return data, headers.get("content-type", "")


def _payload(entry: WarcEntry) -> bytes:
    if entry.payload is None:
        raise _SkipError("too_long", f"{entry.length} bytes")
    return entry.payload


def _converted(source: str, url: str, entry: WarcEntry) -> Record:
    """Text that somebody else has extracted: UTF-8, says Common Crawl."""
    text = tidy(_payload(entry).decode("utf-8", "replace"))
    if not text.strip():
        raise _SkipError("empty")
    return Record(source, url, text, _known(entry, {"content_type": media_type(entry.warc.get("content-type", ""))}))


def _known(entry: WarcEntry, found: dict[str, str]) -> dict[str, str]:
    found |= {"date": entry.warc.get("warc-date", ""), "truncated": entry.warc.get("warc-truncated", "")}
    return {name: value for name, value in found.items() if value}
