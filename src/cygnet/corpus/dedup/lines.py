"""Lines that stand on a large share of a host's pages: menus, footers, banners. They are removed and counted.

A line counts once a page, without the white space around it. Lines without a letter are never removed, because a lone
bracket or rule says nothing about navigation and code needs it; nor are indented ones, which are code. What is removed
by mistake are headings that a site has on most pages ("Examples", "See also").
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from cygnet.corpus.dedup import LEAST, SHARE
from cygnet.corpus.dedup.buckets import MEMORY, Buckets, starts_of_groups

Hashes = NDArray[np.uint64]

_SAMPLES = 10


@dataclass(frozen=True)
class PageLines:
    """Hashes of pages: `lines` [M, 2] = (line on this host, host), once a page; `hosts` [P] = the host of each page."""

    lines: Hashes
    hosts: Hashes


def page_lines(pages: Iterable[tuple[str, str]]) -> PageLines:
    """First pass, shard by shard: the lines of pages given as (host, text)."""
    lines: list[Hashes] = [np.empty((0, 2), np.uint64)]
    hosts: list[int] = []
    for host, text in pages:
        host_hash = _hash(host)
        found = {_key(host, line) for line in text.split("\n") if _may_go(line)}
        lines.append(np.array([(key, host_hash) for key in sorted(found)], np.uint64).reshape(-1, 2))
        hosts.append(host_hash)
    return PageLines(np.concatenate(lines), np.array(hosts, np.uint64))


def repeated_lines(
    shards: Iterable[PageLines], scratch: Path, share: float = SHARE, least: int = LEAST, memory: int = MEMORY
) -> Hashes:
    """Between the passes: the sorted hashes of lines on more than `share` of a host's pages and at least `least`.

    Args:
        shards: what `page_lines` gave for each shard; the order doesn't matter.
        scratch: a folder for temporary files, 16 bytes a line when `memory` is too small; they are gone at the end.
        share: of the host's pages, between 0 and 1.
        least: pages; hosts with fewer keep all their lines.
        memory: bytes of lines held at a time. On top of it come some hundred bytes a host.

    Raises:
        UserError: when `scratch` is full or can't be written.
    """
    pages: Counter[int] = Counter()
    with Buckets(scratch, columns=2, memory=memory) as buckets:
        for shard in shards:
            buckets.add(shard.lines)
            names, counts = np.unique(shard.hosts, return_counts=True)
            pages.update(dict(zip(names.tolist(), counts.tolist(), strict=True)))
        found = [_frequent(rows, pages, share, least) for rows in buckets]
    return np.sort(np.concatenate([np.empty(0, np.uint64), *found]))


def _frequent(rows: Hashes, pages: Mapping[int, int], share: float, least: int) -> Hashes:
    key, host = rows[np.argsort(rows[:, 0], kind="stable")].T
    starts = np.flatnonzero(starts_of_groups(key))
    times = np.diff(np.append(starts, len(key)))
    often = times >= least
    starts, times = starts[often], times[often]
    of_host = np.array([pages[name] for name in host[starts].tolist()], np.int64)
    frequent: Hashes = key[starts[times > share * of_host]]
    return frequent


class LineRemover:
    """Second pass: takes the repeated lines out of texts.

    It searches in the sorted hashes as they are: of ten million lines, a set would take 700 MB in each process.
    """

    def __init__(self, repeated: Hashes) -> None:
        self._repeated = repeated

    def remove(self, host: str, text: str) -> tuple[str, list[str]]:
        """The text without its host's repeated lines, and the lines that went, in their order."""
        lines = text.split("\n")
        places = [place for place, line in enumerate(lines) if _may_go(line)]
        keys = np.array([_key(host, lines[place]) for place in places], np.uint64)
        found = np.searchsorted(self._repeated, keys) < np.searchsorted(self._repeated, keys, side="right")
        gone = dict.fromkeys(compress(places, found))
        kept = [line for place, line in enumerate(lines) if place not in gone]
        return "\n".join(kept), [lines[place] for place in gone]


@dataclass
class RemovedLines:
    """How often each line went, by host: as large as the hosts' menus, not as the corpus."""

    by_host: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, host: str, gone: Iterable[str]) -> None:
        """Count the lines that `LineRemover.remove` took from one page."""
        counts = Counter(line.strip() for line in gone)
        if counts:
            self.by_host.setdefault(host, Counter()).update(counts)

    def report(self, samples: int = _SAMPLES) -> dict[str, Any]:
        """host → lines removed, characters, and its most frequent lines with how often each went."""
        told = {}
        for host, lines in sorted(self.by_host.items()):
            often = sorted(lines.items(), key=lambda entry: (-entry[1], entry[0]))
            told[host] = {
                "lines": lines.total(),
                "characters": sum(len(line) * times for line, times in often),
                "different": len(lines),
                "samples": dict(often[:samples]),
            }
        return told


def _may_go(line: str) -> bool:
    return not line[:1].isspace() and any(map(str.isalpha, line))


def _key(host: str, line: str) -> int:
    return _hash(f"{host}\n{line.strip()}")


def _hash(name: str) -> int:
    return xxh3_64_intdigest(name.encode("utf-8", "surrogatepass"))
