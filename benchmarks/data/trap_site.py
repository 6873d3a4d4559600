"""A site of 2,000 pages, and every trap that crawlers fall into: what it has, and what it answers."""

import gzip
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from random import Random
from urllib.parse import parse_qs, urlsplit

from loopback_site import Answer

PAGES = 2000
_HTML = {"Content-Type": "text/html; charset=utf-8"}
_TEXT = {"Content-Type": "text/plain"}
_PER_PAGE = 12
_BOMB = gzip.compress(b"0" * 200_000_000)
_CHARSETS = ("nonsense", "utf-16", "shift_jis", "hex", "iso-8859-1")

ROBOTS = b"""User-agent: *
Crawl-delay: 0.02
Disallow: /private/
Disallow: /*.cgi$
Disallow: /*?print=
Allow: /private/open.html
Sitemap: /sitemap.xml
"""
FORBIDDEN = ("/private/1.html", "/private/deep/2.html", "/run.cgi", "/page/5.html?print=1")
BROKEN = {"/gone": 404, "/forbidden": 403, "/teapot": 418, "/crash": 500, "/bad-gateway": 502}
TRAPS = (
    *("/calendar/2026/1", "/events?day=0", "/deeper/in", "/session?id=0", "/loop/1", "/to-itself", "/to-foreign"),
    *(
        "/to-private",
        "/slow",
        "/huge",
        "/bomb",
        "/torn",
        "/picture.png",
        "/empty",
        "/noindex",
        "/rate-limited",
        *BROKEN,
    ),
)
STORED_ONCE = {f"/page/{number}.html" for number in range(PAGES)} | {
    "/",
    "/private/open.html",
    "/rate-limited",
    "/only-in-sitemap",
}


def prose(number: int) -> str:
    """Words that differ from page to page."""
    random = Random(number)
    return " ".join(random.choices("swan lake river reed nest feather winter ice wing flight egg moult".split(), k=200))


class TrapSite:
    """Answers for it."""

    def __init__(self) -> None:
        self._busy: Counter[str] = Counter()

    def __call__(self, path: str, _: Mapping[str, str]) -> Answer:
        """What a path is answered with."""
        parts = urlsplit(path)
        if path == "/robots.txt":
            return Answer(ROBOTS, headers=_TEXT)
        if path == "/":
            return _page(
                "The site", [*(f"/page/{n}.html" for n in range(20)), *TRAPS, *FORBIDDEN, "/private/open.html"]
            )
        if parts.path.startswith("/page/") and not parts.query:
            return _numbered(int(parts.path[6:-5]))
        return self._trap(path, parts.path, {key: values[0] for key, values in parse_qs(parts.query).items()})

    def _trap(self, path: str, place: str, query: Mapping[str, str]) -> Answer:
        if path in BROKEN:
            return Answer(b"<a href=/page/0.html>home</a>", BROKEN[path], _HTML)
        if place == "/rate-limited":
            self._busy[place] += 1
            busy = self._busy[place] <= 2
            return Answer(b"", 429, {"Retry-After": "1"}) if busy else _page("At last", [])
        if place.startswith("/calendar/"):
            year, month = (int(part) for part in place.split("/")[2:])
            months = 12 * year + month
            return _page(
                f"{year}, {month}", [f"/calendar/{(months + by) // 12}/{(months + by) % 12}" for by in (-1, 1)]
            )
        if place == "/events":
            day = int(query["day"])
            return _page(f"Day {day}", [f"/events?day={day + by}" for by in (1, 2, 7, 30)])
        if place == "/session":
            return _page("Session", [f"/session?id={int(query['id']) * 10 + each}" for each in range(1, 10)])
        return _fixed(place)


def _numbered(number: int) -> Answer:
    if not 0 <= number < PAGES:
        return Answer(b"no such page", 404, _TEXT)
    children = range(number * _PER_PAGE + 1, min(PAGES, (number + 1) * _PER_PAGE + 1))
    links = [*(f"{child}.html" for child in children), f"../page/{number // _PER_PAGE}.html#up", "/"]
    answer = _page(f"Page {number}", links, prose(number))
    if number % 7 == 0:
        return Answer(gzip.compress(bytes(answer.body)), headers={**_HTML, "Content-Encoding": "gzip"})
    if number % 11 == 0:
        return Answer(answer.body, headers={"Content-Type": f"text/html; charset={_CHARSETS[number % 5]}"})
    return answer


def _page(title: str, links: list[str], text: str = "") -> Answer:
    listed = "".join(f'<li><a href="{link}">{link}</a></li>' for link in links)
    body = f"<!doctype html><title>{title}</title><h1>{title}</h1><p>{text}</p><ul>{listed}</ul>"
    return Answer(body.encode(), headers=_HTML)


def _drip() -> Iterator[bytes]:
    for _ in range(600):
        yield b"slow "
        time.sleep(0.1)


def _flood() -> Iterator[bytes]:
    for _ in range(100_000):
        yield b"y" * 100_000


def _fixed(place: str) -> Answer:
    if place.startswith("/deeper/"):
        return _page("Deeper", [f"{place}/in"])
    return _FIXED[place]() if place in _FIXED else _redirect(place)


_FIXED = {
    "/slow": lambda: Answer(_drip()),
    "/huge": lambda: Answer(_flood()),
    "/bomb": lambda: Answer(_BOMB, headers={**_HTML, "Content-Encoding": "gzip"}),
    "/torn": lambda: Answer(_BOMB[:5000], headers={**_HTML, "Content-Encoding": "gzip"}),
    "/picture.png": lambda: Answer(b"\x89PNG", headers={"Content-Type": "image/png"}),
    "/empty": lambda: Answer(b"", headers=_HTML),
    "/noindex": lambda: Answer(b'<meta name="robots" content="noindex"><a href=/page/1.html>1</a>', headers=_HTML),
    "/private/open.html": lambda: _page("Open", []),
    "/only-in-sitemap": lambda: _page("Only in the sitemap", []),
    "/sitemap.xml": lambda: Answer(
        b"<urlset><loc>/only-in-sitemap</loc></urlset>", headers={"Content-Type": "text/xml"}
    ),
}


def _redirect(place: str) -> Answer:
    targets = {
        "/to-itself": "/to-itself",
        "/to-foreign": "http://foreign.example/",
        "/to-private": "http://169.254.169.254/latest/meta-data/",
        **{f"/loop/{step}": f"/loop/{step % 3 + 1}" for step in (1, 2, 3)},
    }
    if place in targets:
        return Answer(b"", 302, {"Location": targets[place]})
    return Answer(b"nothing here", 404, _TEXT)
