"""One technique on all items: asked, kept, graded, summed up."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal

from cygnet.errors import ContextError, UserError
from cygnet.lab.answers import Answers
from cygnet.lab.checks import Check
from cygnet.lab.intervals import Interval, wilson
from cygnet.lab.items import Item
from cygnet.lab.lora import trained_for
from cygnet.lab.meter import Meter
from cygnet.lab.refusals import ends_all
from cygnet.lab.setting import to_data
from cygnet.lm.base import LanguageModel, Usage
from cygnet.techniques.base import Answer, Ask, Program, Technique, relay, run_programs

_BATCH = 32  # items that a model on this machine answers together; the most that a kill can cost

Unit = Literal["cost", "tokens", "calls"]


@dataclass(frozen=True)
class Graded:
    """An item, its answer, and what is wrong with it, if anything."""

    item: Item
    answer: Answer
    wrong: str | None


@dataclass(frozen=True)
class Measured:
    """What a rung did on some items, in their order. technique: also as data, in `setting`.

    unit: what costs are compared in, the same for all rungs.
    """

    rung: str
    technique: Technique
    graded: tuple[Graded, ...]
    unit: Unit = "tokens"

    @cached_property
    def setting(self) -> dict[str, Any]:
        """The technique as data."""
        data: dict[str, Any] = to_data(self.technique)
        return data

    @property
    def right(self) -> list[bool]:
        """Of each item, whether its answer is right."""
        return [graded.wrong is None for graded in self.graded]

    @property
    def accuracy(self) -> float:
        """Share of items answered right."""
        return sum(self.right) / len(self.graded)

    @property
    def interval(self) -> Interval:
        """95 % interval of the accuracy."""
        return wilson(sum(self.right), len(self.graded))

    @property
    def usage(self) -> Usage:
        """Of all answers together, and of the training before them if there was any."""
        return sum((graded.answer.usage for graded in self.graded), trained_for(self.technique))

    @property
    def cost(self) -> float:
        """Of an answer, in the unit."""
        total: float = getattr(self.usage, self.unit)
        return total / len(self.graded)


@dataclass(frozen=True)
class Bench:
    """What measuring takes: the model, the kept answers, the check, a seed, and who is told of every answer.

    unit: of costs; None: money where what is measured costs any, else tokens, else calls where nobody counts tokens.
    """

    lm: Meter
    answers: Answers
    check: Check
    seed: int
    told: Callable[[], None]
    unit: Unit | None = None

    def measure(self, rung: str, technique: Technique, items: Sequence[Item]) -> Measured:
        """Answer and grade all items; answers that are kept are not asked for again.

        An item that the model refuses is wrong; one that is too long for it is not asked again either. Raises UserError
        when it refuses all of them (then nothing is kept: perhaps the server's settings are to blame), or for what no
        other item would escape; what was answered before stays kept.
        """
        setting = to_data(technique)
        keys = [self.answers.key(setting, item.question) for item in items]
        size = _BATCH if self.lm.local else len(items)
        answers: list[Answer | UserError] = []
        told: set[int] = set()
        for start in range(0, len(items), size):
            places = range(start, min(start + size, len(items)))
            asks = [
                self.answers.refusal(keys[i])
                or partial(self._program, rung, technique, items[i].question, keys[i], i, told)
                for i in places
            ]
            answers += self._answered(technique.lm, asks)
        refused = [answer for answer in answers if isinstance(answer, UserError)]
        if len(refused) == len(items):
            raise refused[0]
        for item, key, answer in zip(items, keys, answers, strict=True):
            if isinstance(answer, ContextError) and not self.answers.refusal(key):
                self.answers.refuse(key, rung, item.question, answer)
        measured = Measured(rung, technique, tuple(map(self._graded, items, answers)))
        return replace(measured, unit=self.unit or _unit(measured.usage))

    def _graded(self, item: Item, answer: Answer | UserError) -> Graded:
        if isinstance(answer, UserError):
            return Graded(item, Answer(None, "", note=f"refused: {answer}"), f"refused: {answer}")
        return Graded(item, answer, self.check.wrong(item.question, item.answer, answer))

    def _answered(
        self, lm: LanguageModel, asks: Sequence[Callable[[], Program] | ContextError]
    ) -> list[Answer | UserError]:
        """Each item's answer, or why the model refuses it: where one is refused, halves are asked until it is alone.

        A refusal among the asks is known already, and stays.
        """
        found: dict[int, Answer | UserError] = {i: ask for i, ask in enumerate(asks) if isinstance(ask, ContextError)}
        waiting = [range(len(asks))]
        while waiting:
            these = waiting.pop()
            try:  # the others keep their places, of which the random numbers are made
                answers = self._run(lm, [_program(ask, i in these) for i, ask in enumerate(asks)])
            except UserError as error:
                if ends_all(error):
                    raise
                if isinstance(lm, Meter):
                    lm.go_on()
                middle = len(these) // 2
                if middle:
                    waiting += [these[middle:], these[:middle]]
                else:
                    found[these[0]] = error
            else:
                found = {**{i: answers[i] for i in these}, **found}
        return [found[i] for i in range(len(asks))]

    def _run(self, lm: LanguageModel, programs: Sequence[Program]) -> list[Answer]:
        """Run programs; Ctrl-C ends what is asked of an endpoint after the requests that are in flight."""
        if lm.local:
            return run_programs(lm, programs, self.seed)
        with ThreadPoolExecutor(1) as aside:
            job = aside.submit(run_programs, lm, programs, self.seed)
            try:
                return job.result()
            except BaseException:
                self.lm.stop("the lab is stopped.")
                raise

    def _program(self, rung: str, technique: Technique, question: str, key: str, place: int, told: set[int]) -> Program:
        """The answer that is kept, or else the technique's; its random numbers depend on the item's place alone."""
        kept = self.answers.get(key)
        if kept is None:

            def numbered(asks: list[Ask]) -> list[Ask]:
                return [replace(ask, path=(place, *ask.path)) for ask in asks]

            kept = yield from relay(technique.solve(question), numbered)
            self.answers.put(key, rung, question, kept)
        if place not in told:
            told.add(place)
            self.told()
        return kept


def _unit(usage: Usage) -> Unit:
    if usage.cost:
        return "cost"
    return "tokens" if usage.tokens else "calls"


def _program(ask: Callable[[], Program] | ContextError, wanted: bool) -> Program:
    """An item's program where its answer is wanted; else one that asks nothing."""
    if wanted and not isinstance(ask, ContextError):
        return (yield from ask())
    return Answer(None, "")
