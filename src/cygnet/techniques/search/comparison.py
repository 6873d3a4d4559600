"""What a search is worth: beside itself with random values, and beside best of k at the same tokens.

A search has a checker, draws many samples and takes the one that passes; so does best of k, far more simply. A search
that doesn't beat it at the same tokens, under the same checker, on the same questions, is not worth its trouble.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cygnet.errors import UserError
from cygnet.intervals import Interval, paired, wilson
from cygnet.lm.base import Reply, Usage
from cygnet.techniques.base import Answer, Ask, Program, Technique, relay, run_programs
from cygnet.techniques.reflection import Check
from cygnet.techniques.samples import draw
from cygnet.techniques.search.explorer import Search
from cygnet.techniques.search.problem import random_values


@dataclass(frozen=True)
class Row:
    """How one way of answering did: which questions it got right, and all that it took.

    searched: which of them the search got right; None in the search's own row.
    """

    name: str
    right: tuple[bool, ...]
    usage: Usage
    searched: tuple[bool, ...] | None = None

    @property
    def accuracy(self) -> float:
        """Share of the questions that it got right."""
        return sum(self.right) / len(self.right)

    @property
    def interval(self) -> Interval:
        """95 % interval of the accuracy (Wilson 1927)."""
        return wilson(sum(self.right), len(self.right))

    @property
    def lead(self) -> Interval | None:
        """95 % interval of the search's accuracy less this one, question by question; None in the search's own row."""
        return None if self.searched is None else paired(self.searched, self.right, seed=0)

    def __str__(self) -> str:
        low, high = self.interval
        read, written = (count / len(self.right) for count in (self.usage.prompt_tokens, self.usage.completion_tokens))
        right = f"{self.accuracy:.1%} [{low:.1%}, {high:.1%}]"
        told = f"{self.name}: {right}, {read:.0f} tokens read and {written:.0f} written each"
        if self.searched is None or self.lead is None:
            return told
        points = 100 * (sum(self.searched) - sum(self.right)) / len(self.right)
        low, high = (100 * bound for bound in self.lead)
        return f"{told}; the search leads it by {points:+.1f} points [{low:+.1f}, {high:+.1f}]"


def compare(
    search: Search, sampler: Technique, check: Check, questions: Sequence[str], seed: int = 0, temperature: float = 0.7
) -> list[Row]:
    """The search, the same search with random values, and the best of k answers of `sampler`: a row each.

    check: decides for all three what is right: what is wrong with an answer to a question, or None. The sampler draws
    one answer to every question, then another to those not yet right, and so on until it has taken as many tokens as
    the search did (and so up to one answer to each more). What a question's requests read is counted once for each
    prompt, however often it was sent: a search that asks for eight replies at once has read it no less often.
    temperature: of those requests that the sampler makes greedily.

    Raises UserError without questions, or when the two ask different models.
    """
    if not questions:
        raise UserError("there are no questions to compare on.")
    if search.lm is not sampler.lm:
        raise UserError(f"both must ask one model, not {search.lm.name} and {sampler.lm.name}.")
    control = replace(search, problem=replace(search.problem, value=random_values(seed)))
    searched = _row("search", search, questions, check, seed)
    without = _row("search with random values", control, questions, check, seed)
    sampled = _best_of_k(sampler, check, questions, searched.usage.tokens, seed, temperature)
    return [searched, *(replace(row, searched=searched.right) for row in (without, sampled))]


class _Taken:
    """What the requests for one question took, a prompt read once for all of them."""

    def __init__(self) -> None:
        self.usage = Usage()
        self._read: set[str] = set()

    def hear(self, asks: Sequence[Ask], replies: Sequence[Sequence[Reply]]) -> None:
        for ask, several in zip(asks, replies, strict=True):
            prompt = repr((ask.prompt, ask.continuation))
            reader = max((reply.usage for reply in several), key=lambda usage: usage.prompt_tokens, default=Usage())
            if prompt in self._read:
                reader = Usage()
            self._read.add(prompt)
            self.usage += replace(
                sum((reply.usage for reply in several), Usage()),
                prompt_tokens=reader.prompt_tokens,
                cached_tokens=reader.cached_tokens,
            )


def _row(name: str, technique: Technique, questions: Sequence[str], check: Check, seed: int) -> Row:
    taken = [_Taken() for _ in questions]
    pairs = zip(questions, taken, strict=True)
    answers = run_programs(technique.lm, [relay(technique.solve(each), hear=count.hear) for each, count in pairs], seed)
    right = tuple(_is_right(check, *pair) for pair in zip(questions, answers, strict=True))
    return Row(name, right, _all(taken))


def _all(taken: Sequence[_Taken]) -> Usage:
    return sum((count.usage for count in taken), Usage())


def _is_right(check: Check, question: str, answer: Answer) -> bool:
    return answer.value is not None and check(question, answer) is None


def _best_of_k(
    sampler: Technique, check: Check, questions: Sequence[str], tokens: int, seed: int, temperature: float
) -> Row:
    right, taken, drawn, rounds = [False] * len(questions), [_Taken() for _ in questions], 0, 0
    while (left := [i for i, solved in enumerate(right) if not solved]) and (not rounds or _all(taken).tokens < tokens):
        before = _all(taken).tokens
        programs = [relay(_sample(sampler, questions[i], temperature), hear=taken[i].hear) for i in left]
        answers = run_programs(sampler.lm, programs, seed=hash((seed, rounds)))
        for i, answer in zip(left, answers, strict=True):
            right[i] = _is_right(check, questions[i], answer)
        if _all(taken).tokens == before:
            raise UserError("an answer of the sampler takes no tokens, so that any number of them could be drawn.")
        drawn, rounds = drawn + len(left), rounds + 1
    return Row(f"best of k, {drawn / len(questions):.1f} drawn each", tuple(right), _all(taken))


def _sample(sampler: Technique, question: str, temperature: float) -> Program:
    [sample] = yield from draw(sampler, question, 1, temperature)
    return sample.answer
