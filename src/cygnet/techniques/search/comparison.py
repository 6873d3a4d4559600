"""What a search is worth: beside itself with random values, and beside best of k at the same tokens.

A search has a checker, draws many samples and takes the one that passes; so does best of k, far more simply. A search
that doesn't beat it at the same tokens, under the same checker, on the same questions, is not worth its trouble.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

from cygnet.errors import UserError
from cygnet.lm.base import Usage
from cygnet.techniques.base import Answer, Program, Technique, run_programs
from cygnet.techniques.reflection import Check
from cygnet.techniques.samples import draw
from cygnet.techniques.search.explorer import Search
from cygnet.techniques.search.problem import random_values

_Z = 1.959964  # of a 95 % interval


@dataclass(frozen=True)
class Row:
    """How one way of answering did: which questions it got right, and all that it took."""

    name: str
    right: tuple[bool, ...]
    usage: Usage

    @property
    def accuracy(self) -> float:
        """Share of the questions that it got right."""
        return sum(self.right) / len(self.right)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy (Wilson 1927)."""
        n, p = len(self.right), self.accuracy
        middle, half = p + _Z**2 / (2 * n), _Z * sqrt(p * (1 - p) / n + (_Z / (2 * n)) ** 2)
        return (middle - half) / (1 + _Z**2 / n), (middle + half) / (1 + _Z**2 / n)

    def __str__(self) -> str:
        low, high = self.interval
        read, written = (count / len(self.right) for count in (self.usage.prompt_tokens, self.usage.completion_tokens))
        right = f"{self.accuracy:.1%} [{low:.1%}, {high:.1%}]"
        return f"{self.name}: {right}, {read:.0f} tokens read and {written:.0f} written each"


def compare(
    search: Search, sampler: Technique, check: Check, questions: Sequence[str], seed: int = 0, temperature: float = 0.7
) -> list[Row]:
    """The search, the same search with random values, and the best of k answers of `sampler`: a row each.

    check: decides for all three what is right: what is wrong with an answer to a question, or None. The sampler draws
    one answer to every question, then another to those not yet right, and so on until it has taken as many tokens as
    the search did (and so up to one answer to each more).
    temperature: of those requests that the sampler makes greedily.

    Raises UserError without questions, or when the two ask different models.
    """
    if not questions:
        raise UserError("there are no questions to compare on.")
    if search.lm is not sampler.lm:
        raise UserError(f"both must ask one model, not {search.lm.name} and {sampler.lm.name}.")
    control = replace(search, problem=replace(search.problem, value=random_values(seed)))
    searched = _row("search", search.run(questions, seed), questions, check)
    without = _row("search with random values", control.run(questions, seed), questions, check)
    return [searched, without, _best_of_k(sampler, check, questions, searched.usage.tokens, seed, temperature)]


def _row(name: str, answers: Sequence[Answer], questions: Sequence[str], check: Check) -> Row:
    right = tuple(_is_right(check, *pair) for pair in zip(questions, answers, strict=True))
    return Row(name, right, sum((answer.usage for answer in answers), Usage()))


def _is_right(check: Check, question: str, answer: Answer) -> bool:
    return answer.value is not None and check(question, answer) is None


def _best_of_k(
    sampler: Technique, check: Check, questions: Sequence[str], tokens: int, seed: int, temperature: float
) -> Row:
    right, usage, drawn, rounds = [False] * len(questions), Usage(), 0, 0
    while (left := [i for i, solved in enumerate(right) if not solved]) and (not rounds or usage.tokens < tokens):
        programs = [_sample(sampler, questions[i], temperature) for i in left]
        answers = run_programs(sampler.lm, programs, seed=hash((seed, rounds)))
        for i, answer in zip(left, answers, strict=True):
            right[i] = _is_right(check, questions[i], answer)
        if not any(answer.usage.tokens for answer in answers):
            raise UserError("an answer of the sampler takes no tokens, so that any number of them could be drawn.")
        usage, drawn, rounds = usage + sum((answer.usage for answer in answers), Usage()), drawn + len(left), rounds + 1
    return Row(f"best of k, {drawn / len(questions):.1f} drawn each", tuple(right), usage)


def _sample(sampler: Technique, question: str, temperature: float) -> Program:
    [sample] = yield from draw(sampler, question, 1, temperature)
    return sample.answer
