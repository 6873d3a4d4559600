"""Up the ladder, rung by rung on the same items; then the picks, on items that nobody chose by."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Protocol

from cygnet.errors import UserError
from cygnet.lab.answers import Answers
from cygnet.lab.intervals import Interval, paired
from cygnet.lab.ladder import LADDER, Footing
from cygnet.lab.lora import Trainer
from cygnet.lab.measure import Bench, Measured
from cygnet.lab.meter import Meter
from cygnet.lab.models import Model
from cygnet.lab.refusals import ends_all
from cygnet.lab.task import Task

_NOTHING = 0.02  # right, or fewer: an interval that goes down to it says that a task is not solved


class Comparison(NamedTuple):
    """Points (as shares) by which one rung is above another on the same items, and their 95 % interval."""

    rung: str
    over: str
    difference: float
    interval: Interval

    @property
    def is_clear(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return not self.interval[0] <= 0 <= self.interval[1]

    @property
    def words(self) -> str:
        """What the interval says."""
        if not self.is_clear:
            return "no clear difference"
        return "gain" if self.difference > 0 else "loss"


class LeftOut(NamedTuple):
    """A rung that was not measured, and why."""

    rung: str
    reason: str


@dataclass(frozen=True)
class Picks:
    """The rungs that were picked on the choosing items, and what they and the first rung do on the held-out ones."""

    best: str
    cheapest: str
    held_out: dict[str, Measured]
    seed: int

    @property
    def warning(self) -> str:
        """That nothing solves the task, where even the best may be right next to never; else empty."""
        best = self.held_out[self.best]
        if best.interval[0] >= _NOTHING:
            return ""
        return (
            f"Nothing tried here solves the task: even the best is right on {sum(best.right)} of {len(best.graded)} "
            "held-out items. Don't use it. Look at its failures in the report; bring a larger model, or train one."
        )

    def compare(self, rung: str, over: str) -> Comparison:
        """Two of them on the held-out items."""
        return compare(self.held_out[rung], self.held_out[over], self.seed)


@dataclass
class Climb:
    """All that a lab has found out so far. stopped: why it is not finished; empty when it is."""

    task: Task
    model: Model
    rungs: list[Measured | LeftOut] = field(default_factory=list)
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    picks: Picks | None = None
    stopped: str = ""

    @property
    def measured(self) -> list[Measured]:
        """The rungs that were measured, in order."""
        return [rung for rung in self.rungs if isinstance(rung, Measured)]


class Watch(Protocol):
    """Is told how the climb goes."""

    def begin(self, rung: str, items: int) -> None:
        """A rung begins."""

    def answered(self) -> None:
        """An item of it is answered. Called from many threads."""

    def done(self, rung: Measured | LeftOut, comparison: Comparison | None) -> None:
        """It is measured, or left out."""


def climb(task: Task, model: Model, folder: Path, watch: Watch, outcome: Climb) -> None:
    """Measure the ladder, pick, and check the picks. What is found goes into `outcome` as it is found.

    Raises:
        UserError: when the budget is spent, the endpoint is dead, a checker fails, or already the first rung can't be
            asked. A later rung of which the model refuses every item is left out instead.
    """
    meter = Meter(model.lm, task.config.prices, task.config.budget, folder / "calls.jsonl")
    answers = Answers(folder / "answers.jsonl", model.identity, task.config.seed)
    bench = Bench(meter, answers, task.check, task.config.seed, watch.answered)
    trainer = Trainer(meter, model.address, model.identity, folder / "adapters", task.config.seed)
    at = Footing(task, meter, trainer=trainer)
    for rung in LADDER:
        built = rung.built(at)
        found: Measured | LeftOut
        if isinstance(built, str):
            found = LeftOut(rung.name, built)
        else:
            watch.begin(rung.name, len(task.items.choosing))
            try:
                found = bench.measure(rung.name, built, task.items.choosing)
            except UserError as error:
                if not outcome.measured or ends_all(error):
                    raise
                meter.go_on()
                found = LeftOut(rung.name, str(error))
        if isinstance(found, Measured):
            bench = replace(bench, unit=found.unit)  # the first rung's, so that costs can be compared
            if outcome.measured:
                outcome.comparisons[rung.name] = compare(found, outcome.measured[0], task.config.seed)
            at.worth = {**at.worth, rung.name: found.accuracy}
            if rung.single:
                at.measured[rung.name] = found.technique
        outcome.rungs.append(found)
        watch.done(found, outcome.comparisons.get(rung.name))
    outcome.picks = _checked(bench, task, outcome.measured, watch)


def best_of(measured: Sequence[Measured]) -> Measured:
    """The most accurate; of equal ones the cheapest."""
    return max(measured, key=lambda rung: (rung.accuracy, -rung.cost))


def cheapest_within(measured: Sequence[Measured], margin: float) -> Measured:
    """The cheapest of those at most `margin` points less accurate than the best; of equal ones the most accurate."""
    least = best_of(measured).accuracy - margin / 100 - 1e-9
    return min((rung for rung in measured if rung.accuracy >= least), key=lambda rung: (rung.cost, -rung.accuracy))


def compare(one: Measured, other: Measured, seed: int) -> Comparison:
    """How much more accurate one is than the other."""
    difference = one.accuracy - other.accuracy
    return Comparison(one.rung, other.rung, difference, paired(one.right, other.right, seed))


def _checked(bench: Bench, task: Task, measured: Sequence[Measured], watch: Watch) -> Picks:
    best, cheapest = best_of(measured), cheapest_within(measured, task.config.margin)
    held_out = {}
    for rung in dict.fromkeys((measured[0].rung, cheapest.rung, best.rung)):
        technique = next(found.technique for found in measured if found.rung == rung)
        watch.begin(f"{rung}, held out", len(task.items.held_out))
        held_out[rung] = bench.measure(rung, technique, task.items.held_out)
    return Picks(best.rung, cheapest.rung, held_out, task.config.seed)
