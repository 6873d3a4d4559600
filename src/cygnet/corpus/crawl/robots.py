"""robots.txt: fetched once an origin, obeyed as RFC 9309 has it. protego reads it: wildcards, `$`, Crawl-delay."""

from dataclasses import dataclass
from functools import cached_property

from protego import Protego

from cygnet.corpus.crawl.fetch import Response

MOST_BYTES = 512 * 1024  # RFC 9309, section 2.5: at least 500 KiB must be read; what is beyond is left off
MOST_REDIRECTS = 5  # the same, section 2.3.1.2
_MOST_SITEMAPS = 20
_NAME = "cygnet"


@dataclass(frozen=True)
class Robots:
    """The rules of one origin; no text, no rules."""

    text: str

    @cached_property
    def _rules(self) -> Protego:
        return Protego.parse(self.text)

    def allows(self, url: str) -> bool:
        """Whether we may ask for it."""
        return bool(self._rules.can_fetch(url, _NAME))

    @property
    def delay(self) -> float:
        """Seconds between requests that it asks for; 0 if it doesn't."""
        delay = self._rules.crawl_delay(_NAME) or 0.0
        rate = self._rules.request_rate(_NAME)
        return max(float(delay), rate.seconds / rate.requests if rate and rate.requests else 0.0, 0.0)

    @property
    def sitemaps(self) -> list[str]:
        """The sitemaps it names, a bounded number."""
        return list(self._rules.sitemaps)[:_MOST_SITEMAPS]


def rules_in(response: Response) -> Robots | None:
    """The rules in an answer to a request for robots.txt; None when everything is forbidden until it answers better.

    RFC 9309, section 2.3.1: no such file (4xx) allows all; a server in trouble (5xx, and 429, which asks us to go
    away) forbids all.
    """
    if response.status == 429 or response.status >= 500:
        return None
    if 200 <= response.status < 300:
        return Robots(response.body.decode("utf-8", errors="replace").lstrip("\ufeff"))
    return Robots("")
