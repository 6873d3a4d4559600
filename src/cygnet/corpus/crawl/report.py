"""What came of a crawl, in words and as crawl.json."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cygnet.terminal import printable

_MEANING = {
    "stored": "stored",
    "not_modified": "not modified since they were stored (304)",
    "unchanged": "sent again, the same as stored",
    "redirected": "redirects, their targets taken up",
    "alias": "another address of a stored page (rel=canonical)",
    "sitemap": "sitemaps, read for addresses",
    "robots": "disallowed by robots.txt",
    "robots_unavailable": "left alone, as robots.txt could not be had",
    "noindex": "not to be stored, by their robots tag",
    "not_allowed_host": "on hosts that are not on the list",
    "excluded": "matched by --exclude",
    "private_address": "at private addresses",
    "too_deep": "too many clicks away",
    "trap": "addresses that look endless",
    "too_many_redirects": "redirected too often",
    "too_big": "too big",
    "timed_out": "too slow",
    "http_status": "answered with an error",
    "other_type": "no text: images, archives and the like",
    "empty": "empty",
    "damaged": "damaged on their way",
    "broken_off": "connection broken off",
    "unreachable": "could not be reached",
    "refused": "refused for now, again and again (429, 503)",
    "gave_up": "ended the process each time",
    "waiting": "still waiting",
}
_EXPLAINED = (
    "refused",
    "unreachable",
    "robots_unavailable",
    "not_allowed_host",
    "excluded",
    "private_address",
    "http_status",
)
_MOST_REASONS = 3


@dataclass(frozen=True)
class CrawlSummary:
    """pages: that the WARC files have, of this round. outcomes: addresses by what became of them; "waiting" are those
    that were found and not asked for. ended_by: done, bound, asleep or interrupted.
    seconds: of those runs that were not killed."""

    out: str
    pages: int
    outcomes: Mapping[str, int]
    reasons: Mapping[str, Sequence[tuple[str, int]]]
    files: Sequence[str]
    stored_bytes: int
    requests: int
    seconds: float
    links_cut: int
    ended_by: str

    def to_json(self) -> dict[str, Any]:
        """For crawl.json."""
        return {
            "pages": self.pages,
            "ended_by": self.ended_by,
            "outcomes": dict(self.outcomes),
            "reasons": {name: [list(pair) for pair in pairs] for name, pairs in self.reasons.items()},
            "files": list(self.files),
            "stored_bytes": self.stored_bytes,
            "requests": self.requests,
            "seconds": round(self.seconds, 1),
            "links_cut": self.links_cut,
        }

    def in_words(self) -> str:
        """For a terminal."""
        files = "1 WARC file" if len(self.files) == 1 else f"{len(self.files)} WARC files"
        size = f"{self.stored_bytes / 1e6:,.1f} MB new"
        lines = [
            f"{self.out}: {self.pages:,} pages in {files}, {size}, {self.requests:,} requests, {self.seconds:,.0f} s."
        ]
        for name, meaning in _MEANING.items():
            if self.outcomes.get(name):
                lines.append(f"{self.outcomes[name]:>9,}  {name}: {meaning}")
                lines += [
                    f"{'':11}{count:,} {printable(detail)}"
                    for detail, count in (self.reasons.get(name) or ())
                    if name in _EXPLAINED and detail
                ]
        if self.links_cut:
            lines.append(f"{self.links_cut:>9,}  links left unread on pages that had too many")
        return "\n".join([*lines, *self._ending()])

    def _ending(self) -> list[str]:
        if self.ended_by == "bound":
            return ["A bound of the crawl was reached; with a higher one the same command goes on."]
        if self.ended_by == "asleep":
            return ["What waits is of hosts that want to be left alone for a while: give the same command then."]
        return []


def reasons_of(
    outcomes: Mapping[str, int], look_up: Callable[[str, int], list[tuple[str, int]]]
) -> dict[str, list[tuple[str, int]]]:
    """The commonest details of each outcome; `look_up` is the frontier's."""
    return {name: look_up(name, _MOST_REASONS) for name in outcomes if name != "waiting"}
