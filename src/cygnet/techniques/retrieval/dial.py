"""The dial from memory-only to retrieval-only, measured: what is right at each setting, and where the rest is lost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cygnet.intervals import Interval, wilson
from cygnet.lm.base import Usage
from cygnet.techniques.base import Answer
from cygnet.techniques.examples import Example
from cygnet.techniques.retrieval.citations import says
from cygnet.techniques.retrieval.retrieve import RELIANCES, Reliance, Retrieve
from cygnet.techniques.retrieval.search import Hit, Searcher

Right = Callable[[Answer, Example], bool]


@dataclass(frozen=True)
class Setting:
    """One setting of the dial on all items.

    right: how many. lost_in_search: wrong, and the right answer stands in none of the passages that were shown.
    lost_in_reading: wrong, although it stands in one. From memory alone nothing is searched or read: both are 0, as
    reading is where the best passage itself is the answer.
    """

    reliance: Reliance
    answers: tuple[Answer, ...]
    right: int
    lost_in_search: int
    lost_in_reading: int

    @property
    def usage(self) -> Usage:
        """Of all answers."""
        return sum((answer.usage for answer in self.answers), Usage())

    @property
    def interval(self) -> Interval:
        """95 % interval of the share that is right (Wilson 1927)."""
        return wilson(self.right, len(self.answers))


def says_answer(answer: Answer, item: Example) -> bool:
    """Whether the value says the right answer among its words: good for names and numbers."""
    return answer.value is not None and says(str(answer.value), item.answer)


def measure_dial(
    technique: Retrieve,
    items: Sequence[Example],
    reliances: Sequence[Reliance] = RELIANCES,
    right: Right = says_answer,
    seed: int = 0,
) -> list[Setting]:
    """Answer the same questions at each setting; everything else is as in `technique`. Each is searched for once.

    Raises ValueError when there are no items.
    """
    if not items:
        raise ValueError("there are no items to measure on.")
    searched = _Searched(technique.index)
    questions = [item.question for item in items]
    settings = []
    for reliance in reliances:
        answers = replace(technique, index=searched, reliance=reliance).run(questions, seed)
        wrong = [item for item, answer in zip(items, answers, strict=True) if not right(answer, item)]
        found = 0
        if reliance in {"both", "passages"}:
            found = sum(_stands_in(searched.search(item.question, technique.k), item.answer) for item in wrong)
        lost = 0 if reliance == "memory" else len(wrong) - found
        settings.append(Setting(reliance, tuple(answers), len(items) - len(wrong), lost, found))
    return settings


def dial_table(settings: Sequence[Setting]) -> str:
    """The settings as a Markdown table."""
    lines = [
        "| Reliance | Right | 95 % | Lost in search | Lost in reading | Tokens an answer |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for each in settings:
        n = len(each.answers)
        low, high = (100 * share for share in each.interval)
        lost = ("–", "–") if each.reliance == "memory" else (str(each.lost_in_search), str(each.lost_in_reading))
        cells = [each.reliance, f"{each.right}/{n}", f"{low:.0f}–{high:.0f} %", *lost, f"{each.usage.tokens / n:,.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _stands_in(hits: Sequence[Hit], answer: str) -> bool:
    return any(says(hit.chunk.text, answer) for hit in hits)


class _Searched:
    """A searcher that asks another one for each query once."""

    def __init__(self, inner: Searcher) -> None:
        self._inner = inner
        self._found: dict[tuple[str, int], Sequence[Hit]] = {}

    def search(self, query: str, k: int = 5) -> Sequence[Hit]:
        """The k best hits."""
        if (query, k) not in self._found:
            self._found[query, k] = self._inner.search(query, k)
        return self._found[query, k]
