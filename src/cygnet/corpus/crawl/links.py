"""What a page says of itself and of others: its kind, its robots tags, where it leads. And what a sitemap lists."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5
from resiliparse.parse.html import DocumentNode, ElementNode, HTMLTree

from cygnet.corpus.crawl.fetch import Response
from cygnet.corpus.crawl.unpacking import unpacker
from cygnet.corpus.crawl.urls import canonical

_HTML = {"text/html", "application/xhtml+xml"}
_STORED = _HTML | {"text/plain", "text/markdown", "text/x-markdown", "application/pdf"}
_UNSURE = {"", "application/octet-stream", "application/x-unknown", "unknown/unknown", "*/*"}
_LOC = re.compile(r"<(?:\w+:)?loc>\s*(.*?)\s*</(?:\w+:)?loc>", re.DOTALL)
_META_CHARSET = re.compile(rb"<(?:meta|\?xml)[^>]*?(?:charset|encoding)\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_US = {"robots", "cygnet"}
_MOST_LINKS = 10_000  # of one page
_MOST_LISTED = 50_000  # of one sitemap, as sitemaps.org has it


@dataclass(frozen=True)
class PageLinks:
    """links: canonical addresses in order, without repeats. alias_of: `<link rel=canonical>`, if it is another page.

    store: whether robots tags and the X-Robots-Tag header allow it; if they forbid to follow, there are no links.
    cut: links beyond what one page may have.
    """

    links: tuple[str, ...] = ()
    alias_of: str | None = None
    store: bool = True
    cut: int = 0


def declared_type(response: Response) -> str:
    """The media type in Content-Type, without parameters."""
    return response.header("content-type").partition(";")[0].strip().lower()


def may_be_stored(response: Response) -> bool:
    """Whether the body is worth reading, by what is said of its type."""
    return declared_type(response) in _STORED | _UNSURE


def payload_type(response: Response) -> str:
    """The media type, from the body where the header doesn't say it: what WARC-Identified-Payload-Type tells."""
    start = response.body[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    declared = declared_type(response)
    if start.startswith(b"%pdf-"):
        return "application/pdf"
    if declared in _UNSURE | {"text/plain"} and start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "text/html"
    return declared or "application/octet-stream"


def is_stored_type(kind: str) -> bool:
    """Whether pages of this media type are kept."""
    return kind in _STORED


def page_links(response: Response) -> PageLinks:
    """Read a page. Only HTML has links."""
    words = {word for value in response.all("x-robots-tag") for word in _directives(value)}
    if payload_type(response) not in _HTML:
        return PageLinks(store=words.isdisjoint({"noindex", "none"}))
    document = HTMLTree.parse(_decoded(response)).document
    if document is None:
        return PageLinks(store=words.isdisjoint({"noindex", "none"}))
    for node in document.query_selector_all("meta[name]")[:]:
        if _attribute(node, "name") in _US:
            words.update(_directives(_attribute(node, "content")))
    base = document.query_selector("base[href]")
    here = canonical(str(base.getattr("href")), response.url) if base is not None else None
    targets = list(_targets(document, here or response.url))
    links = tuple(dict.fromkeys(url for url, _ in targets)) if words.isdisjoint({"nofollow", "none"}) else ()
    alias = next((url for url, is_alias in targets if is_alias), None)
    return PageLinks(
        links=links[:_MOST_LINKS],
        alias_of=alias if alias != response.url else None,
        store=words.isdisjoint({"noindex", "none"}),
        cut=max(0, len(links) - _MOST_LINKS),
    )


def _targets(document: DocumentNode, base: str) -> Iterator[tuple[str, bool]]:
    """Where a page leads that may be followed, each with whether it is the page's own better address."""
    for node in document.query_selector_all("a[href], area[href], link[href]")[:]:  # without [:] in quadratic time
        rel = set(_attribute(node, "rel").split())
        if "nofollow" in rel or (node.tag == "link" and rel.isdisjoint({"next", "canonical"})):
            continue
        url = canonical(str(node.getattr("href") or ""), base)
        if url is not None:
            yield url, node.tag == "link" and "canonical" in rel


def _attribute(node: ElementNode, name: str) -> str:
    return str(node.getattr(name) or "").strip().lower()


def sitemap_links(response: Response, most: int) -> Iterator[tuple[str, bool]]:
    """The addresses that a sitemap lists, each with whether it is another sitemap. Unpacks .xml.gz.

    Raises:
        DamagedError, TooLargeError: when it can't be unpacked, or to more than `most` bytes.
    """
    data = response.body
    if data.startswith(b"\x1f\x8b"):
        data = unpacker("gzip", most).feed(data)
    text = data.decode("utf-8", errors="replace")
    places = _LOC.findall(text) if "<" in text else text.split()
    is_index = "<sitemapindex" in text[:2000]
    for place in places[:_MOST_LISTED]:
        url = canonical(html.unescape(place), response.url)
        if url is not None:
            yield url, is_index


def _directives(value: str) -> list[str]:
    """The words of a robots tag; those for other robots ("googlebot: noindex") are not for us."""
    name, colon, rest = value.lower().partition(":")
    if colon and name.strip() == "cygnet":
        value = rest
    elif colon and name.strip() not in {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}:
        return []
    return [word.strip() for word in value.lower().split(",")]


def _decoded(response: Response) -> str:
    """The page as text: by its byte order mark, the header, a meta tag, or else by its looks."""
    body = response.body
    for mark, name in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if body.startswith(mark):
            return body[len(mark) :].decode(name, errors="replace")
    said = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", response.header("content-type"), re.IGNORECASE)
    meta = _META_CHARSET.search(body[:2048])
    named = said[1] if said else meta[1].decode("ascii") if meta else ""
    encoding = (
        (map_encoding_to_html5(named, fallback_utf8=False) if named else None) or detect_encoding(body) or "utf-8"
    )
    if encoding.startswith("utf-16") and b"\0" not in body:
        encoding = "utf-8"  # what is said of it is not so: UTF-16 markup has zeros
    return str(bytes_to_str(body, encoding, errors="replace"))
