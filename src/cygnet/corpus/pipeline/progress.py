"""How far a corpus is, for people."""

import sys
import time
from collections.abc import Callable

_EVERY = 5.0  # seconds between lines where there is no terminal

_NAMES = {
    "crawl": "crawling",
    "read": "reading sources",
    "lines": "looking for repeated lines",
    "repeated": "looking for repeated lines, all pages",
    "tag": "measuring texts",
    "judge": "judging texts",
    "duplicates": "looking for duplicates",
    "index": "indexing evaluation sets",
    "finish": "finishing texts",
}


class Printed:
    """One line a stage on a terminal, which is written over; elsewhere one every few seconds. On standard error."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._stage, self._began, self._before, self._said = clock, "", 0.0, 0, 0.0

    def __call__(self, stage: str, done: int, all_: int) -> None:
        """So many of a stage's shards, or of the crawls before them, are done."""
        now = self._clock()
        if stage != self._stage:
            self._stage, self._began, self._before, self._said = stage, now, done, now
        ended = done == all_
        if not (ended or sys.stderr.isatty() or now - self._said >= _EVERY) or not all_:
            return
        self._said = now
        counted = "crawls" if stage == "crawl" else "shards"
        line = f"{_NAMES.get(stage, stage):40} {done:>6}/{all_} {counted}{self._left(done, all_, now)}"
        end = "\n" if ended or not sys.stderr.isatty() else "\r"
        print(line.ljust(78), end=end, file=sys.stderr, flush=True)

    def _left(self, done: int, all_: int, now: float) -> str:
        made = done - self._before
        if done == all_:
            return f"  {now - self._began:.0f} s" if made else "  done before"
        return f"  {(all_ - done) * (now - self._began) / made:.0f} s left" if made else ""


def silent(_stage: str, _done: int, _all: int) -> None:
    """Says nothing."""
