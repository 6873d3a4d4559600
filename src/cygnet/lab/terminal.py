"""The climb on a terminal: a line for each rung as it is measured, and a bar for the one under way."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from cygnet.lab.climb import Climb, Comparison, LeftOut
from cygnet.lab.export import in_words
from cygnet.lab.measure import Measured
from cygnet.lab.rehearsal import Plan
from cygnet.lab.task import Task

_EVERY_SECONDS = 10.0  # between lines about one rung, where there is no terminal
_HEADER = f"{'rung':28}{'right':>8}  {'95 % interval':14}{'tokens':>8}{'seconds':>9}"


class Terminal(AbstractContextManager["Terminal"]):
    """A `Watch` that prints to standard output."""

    def __init__(self, task: Task) -> None:
        self._currency = task.config.prices.currency if task.config.prices.are_set else ""
        self._console = Console(highlight=False, soft_wrap=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        self._running: TaskID | None = None
        self._rung, self._items, self._answered, self._spoke = "", 0, 0, time.monotonic()
        money = f"{f'{self._currency}/1,000':>10}" if self._currency else ""
        items = task.items
        self._say(
            f"{task.config.name}: {len(items.choosing)} items to choose by, {len(items.held_out)} held out, "
            f"{len(items.pool)} examples to show"
        )
        self._say(f"{_HEADER}{money}  against the first", "bold")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, rung: str, items: int) -> None:
        """A rung begins."""
        self._clear()
        self._rung, self._items, self._answered, self._spoke = rung, items, 0, time.monotonic()
        self._running = self._bar.add_task(rung, total=items)

    def answered(self) -> None:
        """An item of it is answered."""
        self._answered += 1
        if self._running is not None:
            self._bar.advance(self._running)
        if not self._console.is_terminal and time.monotonic() - self._spoke > _EVERY_SECONDS:
            self._spoke = time.monotonic()
            self._say(f"  {self._rung}: {self._answered} of {self._items}")

    def done(self, rung: Measured | LeftOut, comparison: Comparison | None) -> None:
        """It is measured, or left out."""
        self._clear()
        if isinstance(rung, LeftOut):
            self._say(f"{rung.rung:28}left out: {rung.reason}", "dim")
        else:
            self._say(self._row(rung, comparison))

    def conclude(self, outcome: Climb) -> None:
        """The picks, as measured on the held-out items."""
        self._clear()
        picks = outcome.picks
        if picks is None:
            return
        self._say("")
        for title, name in (("best", picks.best), ("cheapest", picks.cheapest)):
            self._say(f"{title:10}{name}: {in_words(picks.held_out[name])}")
        if picks.best != picks.cheapest:
            versus = picks.compare(picks.cheapest, picks.best)
            self._say(f"{'':10}the cheapest against the best, held out: {_points(versus)}")
        if picks.warning:
            self._say(picks.warning, "bold")

    def _row(self, rung: Measured, comparison: Comparison | None) -> str:
        items, usage, (low, high) = len(rung.graded), rung.usage, rung.interval
        cells = f"{rung.rung:28}{100 * rung.accuracy:6.1f} %  {f'{100 * low:.1f} to {100 * high:.1f}':14}"
        cells += f"{usage.tokens / items:8.0f}{usage.seconds / items:9.3f}"
        cells += f"{1000 * usage.cost / items:10.4g}" if self._currency else ""
        return cells if comparison is None else f"{cells}  {_points(comparison)}"

    def _clear(self) -> None:
        if self._running is not None:
            self._bar.remove_task(self._running)
            self._running = None

    def _say(self, text: str, style: str | None = None) -> None:
        self._console.print(text, style=style, markup=False)


def print_plan(plans: Sequence[Plan], task: Task) -> None:
    """What each rung would take."""
    console = Console(highlight=False, soft_wrap=True)
    priced = task.config.prices.are_set
    money = f"{f'{task.config.prices.currency}, about':>12}" if priced else ""
    console.print(f"{'at most':28}{'calls':>9}{'written':>12}{'read, about':>14}{money}", style="bold", markup=False)
    whole = [sum(column) for column in zip(*(plan[1:5] for plan in plans), strict=True)]
    for plan in [*plans, Plan("in all", int(whole[0]), int(whole[1]), int(whole[2]), whole[3])]:
        if plan.left_out:
            console.print(f"{plan.rung:28}left out: {plan.left_out}", style="dim", markup=False)
        else:
            cost = f"{plan.cost:12.4f}" if priced else ""
            console.print(f"{plan.rung:28}{plan.calls:9,}{plan.written:12,}{plan.read:14,}{cost}", markup=False)


def _points(comparison: Comparison) -> str:
    low, high = comparison.interval
    return f"{100 * comparison.difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}) {comparison.words}"
