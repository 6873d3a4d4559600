"""How a crawl gets on: one line that is written over on a terminal, elsewhere one every few seconds."""

import sys
import time

_EVERY = 10.0  # seconds, where there is no terminal
_WIDTH = 78


class Line:
    """Tells it on standard error."""

    def __init__(self, most: int, shown: bool = True) -> None:
        self._most, self._shown = most, shown
        self._began = self._spoke = time.monotonic()
        self._first: int | None = None

    def tell(self, pages: int, waiting: int) -> None:
        """Pages that we have, and addresses that wait."""
        self._first = pages if self._first is None else self._first
        now = time.monotonic()
        on_terminal = sys.stderr.isatty()
        if not self._shown or now - self._spoke < (0.5 if on_terminal else _EVERY):
            return
        self._spoke = now
        rate = (pages - self._first) / (now - self._began)
        left = min(waiting, self._most - pages)
        when = f", about {_span(left / rate)} to go" if rate > 0 else ""
        text = f"{pages:,} pages, {waiting:,} addresses waiting, {rate:.2f} pages a second{when}"
        if on_terminal:
            print(f"\r{text[:_WIDTH]:{_WIDTH}}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the terminal's line."""
        if self._shown and sys.stderr.isatty():
            print(f"\r{'':{_WIDTH}}\r", end="", file=sys.stderr, flush=True)


def _span(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min" if minutes else f"{seconds} s"
