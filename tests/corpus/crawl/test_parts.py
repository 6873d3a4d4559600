import gzip
import zlib

import brotli
import pytest

from cygnet.corpus.crawl.addresses import is_public
from cygnet.corpus.crawl.fetch import Response
from cygnet.corpus.crawl.links import page_links, payload_type, sitemap_links
from cygnet.corpus.crawl.manners import retry_after
from cygnet.corpus.crawl.robots import Robots, rules_in
from cygnet.corpus.crawl.unpacking import DamagedError, TooLargeError, unpacker

URL = "http://example.org/docs/page"
DATA = b"the swans " * 5000
RAW = zlib.compressobj(wbits=-15)
PACKED = {
    "identity": DATA,
    "gzip": gzip.compress(DATA),
    "deflate": zlib.compress(DATA),
    "DEFLATE": RAW.compress(DATA) + RAW.flush(),
    "br": brotli.compress(DATA),
}


def page(body: bytes, **headers: str) -> Response:
    named = {"content-type": "text/html", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Response(URL, 200, "OK", tuple(named.items()), body)


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("step", [1, 7, 10**6])
def test_bodies_are_unpacked_however_they_arrive(encoding: str, step: int) -> None:
    unpack = unpacker(encoding, len(DATA))
    packed = PACKED[encoding]
    assert b"".join(unpack.feed(packed[at : at + step]) for at in range(0, len(packed), step)) == DATA
    unpack.end()


@pytest.mark.parametrize("encoding", PACKED)
def test_nothing_unpacks_to_more_than_allowed(encoding: str) -> None:
    with pytest.raises(TooLargeError):
        unpacker(encoding, len(DATA) - 1).feed(PACKED[encoding])


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_what_is_damaged_or_breaks_off_is_said(encoding: str) -> None:
    torn = unpacker(encoding, 10**6)
    torn.feed(PACKED[encoding][:-5])
    with pytest.raises(DamagedError):
        torn.end()
    with pytest.raises(DamagedError):
        unpacker(encoding, 10**6).feed(b"\xff\xfe not packed at all")
    with pytest.raises(DamagedError, match="rot13"):
        unpacker("rot13", 10)
    unpacker(encoding, 10).end()  # nothing at all is an empty page


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *(("8.8.8.8", True), ("2606:4700::1111", True), ("127.0.0.1", False), ("10.1.2.3", False), ("::1", False)),
        *(("169.254.169.254", False), ("fe80::1%eth0", False), ("224.0.0.1", False), ("100.64.0.1", False)),
        *(("::ffff:127.0.0.1", False), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False), ("fc00::1", False)),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_links_are_read_with_their_base_and_those_not_to_be_followed_left_out() -> None:
    found = page_links(
        page(
            b"""<html><head><base href="/other/"><link rel="canonical" href="/docs/main"><link rel=next href=two>
            <link rel=stylesheet href=x.css></head><a href="one#part">1</a><map><area href="three&amp;x"></map>
            <a rel="nofollow ugc" href="bad">b</a><a href="mailto:a@b.c">m</a><a href=one>again</a><a>none</a>"""
        )
    )
    base = "http://example.org/other"
    assert found.links == ("http://example.org/docs/main", f"{base}/two", f"{base}/one", f"{base}/three&x")
    assert found.alias_of == "http://example.org/docs/main"
    assert found.store


@pytest.mark.parametrize(
    ("body", "header", "store", "follows"),
    [
        (b'<meta name="robots" content="NOINDEX"><a href=x>', "", False, True),
        (b'<meta name="Cygnet" content="none"><a href=x>', "", False, False),
        (b'<meta name="googlebot" content="none"><a href=x>', "", True, True),
        (b"<a href=x>", "noindex, nofollow", False, False),
        (b"<a href=x>", "googlebot: noindex", True, True),
        (b"<a href=x>", "cygnet: nofollow", True, False),
    ],
)
def test_robots_tags_and_headers_are_honored(body: bytes, header: str, store: bool, follows: bool) -> None:
    found = page_links(page(body, x_robots_tag=header))
    assert (found.store, bool(found.links)) == (store, follows)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html; charset=nonsense", b"<a href=/x>"),
        ("text/html; charset=utf-8", b"\xff\xfe" + '<a href="/x">é'.encode("utf-16-le")),
        ("text/html; charset=utf-16", b"<a href=/x> \xe9"),
        ("text/html", b"<meta charset=shift_jis><a href=/x>\x83\x41"),
        ("application/xhtml+xml", b'<?xml version="1.0" encoding="iso-8859-1"?><html><a href="/x">\xe4</a></html>'),
        ("text/html; charset=hex", b"<a href=/x>\x00\xff"),
    ],
)
def test_wrong_charsets_do_not_lose_the_page(kind: str, body: bytes) -> None:
    response = page(body, content_type=kind)
    assert page_links(response).links == ("http://example.org/x",)


@pytest.mark.parametrize(
    ("kind", "body", "payload"),
    [
        *(("text/html; charset=x", b"x", "text/html"), ("", b" <!DOCTYPE html>", "text/html")),
        *(("text/plain", b"<html>", "text/html"), ("text/plain", b"words", "text/plain")),
        *(("application/octet-stream", b"%PDF-1.7", "application/pdf"), ("", b"abc", "application/octet-stream")),
    ],
)
def test_the_payload_type_is_the_declared_one_or_what_the_body_shows(kind: str, body: bytes, payload: str) -> None:
    assert payload_type(page(body, content_type=kind)) == payload


def test_sitemaps_are_read_packed_or_not_and_bombs_are_not_unpacked() -> None:
    start = b"<?xml version='1.0'?><urlset>"
    text = start + b"<url><loc> http://example.org/a&amp;b </loc></url><s:loc>/b</s:loc><loc>data:x</loc></urlset>"
    assert list(sitemap_links(page(gzip.compress(text)), 1000)) == [
        (f"http://example.org/{path}", False) for path in ("a&b", "b")
    ]
    index = b"<sitemapindex><sitemap><loc>http://example.org/s.xml</loc></sitemap></sitemapindex>"
    assert list(sitemap_links(page(index), 1000)) == [("http://example.org/s.xml", True)]
    with pytest.raises(TooLargeError):
        list(sitemap_links(page(gzip.compress(b" " * 10**6)), 1000))


def test_robots_rules() -> None:
    robots = Robots(
        "User-agent: *\nDisallow: /*.pdf$\nDisallow: /a/*/b\nAllow: /a/ok/b\nCrawl-delay: 2.5\nSitemap: /s.xml"
    )
    allowed = [robots.allows(f"http://example.org{path}") for path in ("/x.pdf", "/x.pdf?v", "/a/1/b", "/a/ok/b", "/")]
    assert allowed == [False, True, False, True, True]
    assert (robots.delay, robots.sitemaps) == (2.5, ["/s.xml"])
    assert not Robots("User-agent: cygnet\nDisallow: /\n\nUser-agent: *\nAllow: /").allows("http://example.org/")
    assert Robots("\x00\xff nonsense <html>").allows("http://example.org/")


@pytest.mark.parametrize(("status", "allowed"), [(404, True), (403, True), (429, None), (500, None), (503, None)])
def test_no_robots_file_allows_all_and_a_server_in_trouble_nothing(status: int, allowed: bool | None) -> None:
    rules = rules_in(Response(URL, status, "", (), b"User-agent: *\nDisallow: /"))
    assert (rules.allows("http://example.org/x") if rules else None) is allowed


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("", None), ("soon", None), ("-3", None)])
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    assert retry_after(page(b"", retry_after=value)) == seconds


def test_retry_after_as_a_date() -> None:
    assert retry_after(page(b"", retry_after="Wed, 21 Oct 2015 07:28:00 GMT")) == 0.0
    assert (retry_after(page(b"", retry_after="Wed, 21 Oct 2099 07:28:00 GMT")) or 0) > 10**9
