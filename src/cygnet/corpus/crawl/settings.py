"""What a crawl may do, and within which bounds."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cygnet import __version__
from cygnet.corpus.crawl.urls import authority, canonical
from cygnet.errors import UserError

_NAME = "cygnet"  # by which robots.txt and robots meta tags may speak to us


@dataclass(frozen=True)
class CrawlSettings:
    """Bounds of a crawl. hosts: beyond those of the start pages, with a port where it isn't the usual one.

    pages: to store at most. delay: seconds between the end of one request to a host and the next; a longer Crawl-delay
    holds instead. depth: clicks from a start page. page_bytes: of one page, unpacked; all_bytes: of all that is
    stored, unpacked. page_seconds: for one request, from looking up its host to its last byte. attempts: at a page that
    is refused for now (429, 503) or breaks off. exclude: globs over path and query, as in /calendar/*; what one of them
    matches as a whole is not asked for. patience: seconds; a host that wants a longer wait is left for another
    day. contact: a mail address or page, for the user agent. file_bytes: after which a new WARC file is begun.
    """

    pages: int = 1000
    hosts: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    contact: str = ""
    delay: float = 1.0
    depth: int = 30
    page_bytes: int = 10_000_000
    all_bytes: int = 10_000_000_000
    page_seconds: float = 60.0
    attempts: int = 4
    patience: float = 600.0
    allow_private: bool = False
    file_bytes: int = 1_000_000_000

    def __post_init__(self) -> None:
        for name in ("pages", "page_bytes", "all_bytes", "page_seconds", "attempts"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} must be more than 0, not {getattr(self, name)}.")
        for glob in self.exclude:
            if not glob.startswith(("/", "*")):
                raise UserError(f"exclude {glob!r} can match nothing: paths begin with /, so begin it with / or *.")
        for name in ("delay", "depth"):
            if not getattr(self, name) >= 0:
                raise UserError(f"{name} can't be less than 0: it is {getattr(self, name)}.")
        if not re.fullmatch(r"[!-~]*", self.contact) or set("();") & set(self.contact):
            raise UserError(f"{self.contact!r} can't stand in a user agent: give one address, as you@example.org.")
        if not self.contact and not self.allow_private:
            raise UserError(
                "say who is crawling, so that the site's owner can write to you: --contact you@example.org. "
                "It is sent with each request. (Your own pages on this machine, with --allow-private, need none.)"
            )

    @property
    def user_agent(self) -> str:
        """What we call ourselves in each request."""
        return f"{_NAME}/{__version__}" + (f" (+{self.contact})" if self.contact else "")

    @property
    def bounds(self) -> dict[str, int | list[str]]:
        """What decides which pages there are."""
        chosen = {name: getattr(self, name) for name in ("pages", "depth", "page_bytes", "all_bytes")}
        return chosen | {"exclude": sorted(self.exclude)}

    @property
    def requests(self) -> int:
        """To send at most: a trap may be all pages that are not stored."""
        return 10 * self.pages + 1000


def read_starts(starts: Iterable[str]) -> list[str]:
    """The start pages, canonical. Raises UserError when there is none, or one is no web address."""
    found = []
    for start in starts:
        named = "://" in start or re.match(r"[^/?#]*[.:]", start)  # else it is a word, such as a file's name
        url = canonical(start if "://" in start else f"https://{start}") if named else None
        if url is None:
            raise UserError(f"{start!r} is not a web address: write it as https://docs.example.org/.")
        found.append(url)
    if not found:
        raise UserError("say where to begin: cygnet crawl https://docs.example.org --contact you@example.org.")
    return list(dict.fromkeys(found))


def allowed_hosts(starts: Iterable[str], hosts: Iterable[str]) -> frozenset[str]:
    """The hosts that a crawl may ask: those of its start pages, and those listed."""
    listed = set()
    for host in hosts:
        url = canonical(host if "://" in host else f"https://{host}/")
        if url is None:
            raise UserError(f"--host {host!r} is not a host: write it as docs.example.org, or with its port.")
        listed.add(authority(url))
    return frozenset(listed | {authority(start) for start in starts})
