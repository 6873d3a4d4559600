"""The pages of one crawl, however many rounds it had, in an order that doesn't depend on when they were fetched."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from cygnet.corpus.reading.warc_file import Damage, WarcEntry, read_entry, read_warc
from cygnet.corpus.records import Skipped

_FETCHES = ("response", "resource")


@dataclass(frozen=True, order=True)
class _Fetch:
    """Where a fetch is. A page's order is its address's; of one address, the newer one comes later."""

    url: str
    date: str
    path: int
    position: int


def newest_fetches(
    source: str, paths: Sequence[Path], most_bytes: int
) -> Iterator[tuple[Path, WarcEntry | Damage] | Skipped]:
    """The newest fetch of each address in a crawl's WARC files, sorted by address, each read when its turn comes.

    Older fetches are told as `Skipped`, and so is damage, first.
    """
    fetches: list[_Fetch] = []
    for number, path in enumerate(paths):
        for entry in read_warc(path, most_bytes):
            if isinstance(entry, Damage):
                yield damaged(source, path, entry)
            elif entry.kind in _FETCHES:
                fetches.append(_Fetch(entry.url, entry.warc.get("warc-date", ""), number, entry.position))
    for url, group in groupby(sorted(fetches), lambda fetch: fetch.url):
        *older, newest = group
        for fetch in older:
            yield Skipped(source, url, "older_fetch", f"of {fetch.date}; the newest is of {newest.date}")
        path = paths[newest.path]
        yield path, read_entry(path, newest.position, most_bytes)


def damaged(source: str, path: Path, entry: Damage) -> Skipped:
    """Damage in a WARC file, told."""
    place = entry.url or f"{path}@{entry.position}"
    return Skipped(source, place, "damaged_record", f"{path}, byte {entry.position}: {entry.detail}")
