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

    On resume from `step`, events of later steps are dropped: they will happen again. Of several processes one writes.
    """

    def __init__(self, path: Path, resume_step: int, written: bool = True) -> None:
        self._path, self._written = path, written
        if not written:
            return
        kept = [line for line in _lines(path) if json.loads(line)["step"] <= resume_step] if resume_step else []
        with write_aside(path) as temporary:
            temporary.write_text("".join(kept), encoding="utf-8")

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


def _lines(path: Path) -> list[str]:
    """Whole lines of the file; a line cut short by a crash is left out."""
    if not path.exists():
        return []
    return [line + "\n" for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
