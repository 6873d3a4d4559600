"""A stage's events, one JSON object a line, and the progress line a person watches."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from cygnet.files import write_aside

_PLAIN_EVERY_SECONDS = 5.0


class Metrics:
    """Appends events to a file; everything that plots or prints reads that file.

    On resume from `resume_step`, events of later steps are dropped: they will happen again. So are lines that can't be
    read, as a power cut may leave them, which is said if they were earlier. Of several processes one writes.
    """

    def __init__(self, path: Path, resume_step: int, written: bool = True) -> None:
        self._path, self._written = path, written
        if not written:
            return
        kept = _until(resume_step, path) if resume_step else []
        with write_aside(path) as temporary:
            temporary.write_bytes(b"".join(kept))

    def log(self, event: str, step: int, **values: Any) -> None:
        """Append one event."""
        if not self._written:
            return
        record = {"event": event, "step": step, **values}
        with self._path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(record, ensure_ascii=False) + "\n")

    def history(self, event: str) -> list[dict[str, Any]]:
        """All events of one kind so far."""
        records = [json.loads(line) for line in _lines(self._path)]
        return [record for record in records if record["event"] == event]


class Progress:
    """One line with step, loss, rate and time left: redrawn on a terminal, printed every few seconds elsewhere."""

    def __init__(self, stage: str, steps: int, shown: bool) -> None:
        self._stage, self._steps, self._shown = stage, steps, shown
        self._console = Console(stderr=True, highlight=False)
        self._printed = time.monotonic()
        self._first: tuple[int, float] | None = None  # the first step seen and when: the rate is measured from there

    def update(self, step: int, values: dict[str, float]) -> None:
        """Show that `step` steps are done."""
        now = time.monotonic()
        first, since = self._first = self._first or (step, now)
        last = step == self._steps
        if not self._shown or not (
            last or now - self._printed > (0.2 if self._console.is_terminal else _PLAIN_EVERY_SECONDS)
        ):
            return
        self._printed = now
        left = f"  {_clock((now - since) / (step - first) * (self._steps - step))} left" if step > first else ""
        numbers = "  ".join(f"{name} {value:,.4g}" for name, value in values.items())
        line = f"{self._stage:<8} {step:>6,}/{self._steps:,}  {numbers}{left}"
        if self._console.is_terminal:
            self._console.print(line, end="\n" if last else "\r", overflow="ellipsis", no_wrap=True)
        else:
            print(line, file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _until(step: int, path: Path) -> list[bytes]:
    """The lines up to `step`. Of those that can't be read, what stands behind a later one was later, too."""
    kept, torn, later = [], 0, False
    for line in _lines(path):
        found = _step_of(line)
        if found is None:
            torn += not later
        elif found <= step:
            kept.append(line)
        else:
            later = True
    if torn:
        lines = "a line" if torn == 1 else f"{torn:,} lines"
        print(
            f"{path}: {lines} can't be read, and left out of the curves. Nothing else depends on it.", file=sys.stderr
        )
    return kept


def _step_of(line: bytes) -> float | None:
    """After which update the event happened; None if it can't be read."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def _lines(path: Path) -> list[bytes]:
    """Whole lines of the file; a line cut short by a crash is left out."""
    if not path.exists():
        return []
    return [line + b"\n" for line in path.read_bytes().split(b"\n")[:-1]]
