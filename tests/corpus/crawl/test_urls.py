import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.corpus.crawl.urls import authority, canonical, origin, trap


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://Example.ORG:80/a/./b/../c#part", "http://example.org/a/c"),
        ("https://example.org:443", "https://example.org/"),
        ("https://example.org:8443/?b=2&a=1", "https://example.org:8443/?b=2&a=1"),
        ("http://example.org/%7euser/%c3%a4 ä", "http://example.org/~user/%C3%A4%20%C3%A4"),
        ("http://example.org/100%", "http://example.org/100%25"),
        ("http://bücher.example./", "http://xn--bcher-kva.example/"),
        ("http://[::1]:8000/x", "http://[::1]:8000/x"),
        (" http://example.org/a\nb ", "http://example.org/ab"),
        ("../up?x", "http://base.example/up?x"),
        ("//other.example/x", "http://other.example/x"),
        ("?only=query", "http://base.example/deep/page?only=query"),
        ("", "http://base.example/deep/page"),
    ],
)
def test_one_spelling_for_each_page(url: str, expected: str) -> None:
    assert canonical(url, "http://base.example/deep/page") == expected


@pytest.mark.parametrize(
    "url",
    [
        *("mailto:a@b.c", "javascript:void(0)", "ftp://example.org/", "http://user:word@example.org/", "http://"),
        *("http://a b/", "http://example.org:99999/", "http://[::1/", "data:text/html,x", "http://" + "ü" * 300 + "/"),
    ],
)
def test_what_is_no_web_address(url: str) -> None:
    assert canonical(url) is None


@given(st.text(), st.sampled_from(["", "http://example.org/a/b?c"]))
def test_a_canonical_address_is_its_own_canonical_address(text: str, base: str) -> None:
    for url in (canonical(text, base), canonical(f"http://example.org/{text}")):
        assert url is None or (canonical(url) == url and url.isascii() and authority(url) and origin(url) in url)


@pytest.mark.parametrize("path", ["/a/b" * 4, "/x" * 50, "/?" + "q" * 3000, "/2026/" + "next/" * 5])
def test_addresses_that_grow_without_end_are_known_by_their_looks(path: str) -> None:
    assert trap(f"http://example.org{path}") is not None
    assert trap("http://example.org/docs/api/v1/docs/index.html?page=2") is None
