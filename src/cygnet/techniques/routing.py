"""System 1 and System 2: answer fast, and think longer only where the fast answer is doubtful.

The two systems are Kahneman's (2011, "Thinking, Fast and Slow"). Doubt by disagreement and for want of an answer are
the back-off rules of Yao et al. 2022, "ReAct", arXiv 2210.03629: take the other way when the majority of n answers is
smaller than n / 2, and when an agent has not finished within its steps. Doubt by margin: Scheffer et al. 2001, "Active
Hidden Markov Models for Information Extraction".
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from cygnet.errors import UserError
from cygnet.lm.base import LanguageModel, Token
from cygnet.techniques.base import Answer, Asking, Program, Technique
from cygnet.techniques.budget import Budget, SpentError
from cygnet.techniques.forms import joined
from cygnet.techniques.samples import draw
from cygnet.techniques.self_consistency import by_value, ranked


class Hunch(NamedTuple):
    """A fast answer, whether it is doubtful and by which evidence, and the tokens it took."""

    answer: Answer
    doubtful: bool
    evidence: str
    tokens: int


Hunches = Asking[Hunch]


class Doubt(Protocol):
    """Answers the fast way and says whether to doubt it."""

    def hunch(self, fast: Technique, question: str) -> Hunches:
        """The fast answer and how far it can be trusted."""


@dataclass(frozen=True)
class LowMargin:
    """Doubts an answer in which some token was a close call, or in which no value could be read.

    The margin of a token is its log-probability less that of the likeliest other one, in nats. An answer's is the
    smallest of those in the last text that was written for it, so this is for short answers: in a long one something
    is always a close call.
    """

    below: float = 1.0

    def hunch(self, fast: Technique, question: str) -> Hunches:
        """One answer. Raises UserError when the model tells no likeliest tokens."""
        [sample] = yield from draw(fast, question, 1, logprobs=2)
        answer = sample.answer
        written = sample.written[-1].tokens if sample.written else ()
        tokens = [token for token in written if token.top]  # a tool or a constraint wrote the others
        if not tokens or any(len(token.top) < 2 for token in tokens):
            raise UserError(
                f"{fast.lm.name} doesn't tell its two likeliest tokens, so there is no margin to go by: "
                "route by Disagreement instead."
            )
        margin = min(map(_margin, tokens))
        doubtful = margin < self.below or answer.value is None
        return Hunch(answer, doubtful, f"margin {margin:.2f}", answer.usage.tokens)


@dataclass(frozen=True)
class Disagreement:
    """Doubts the most frequent of `samples` answers when it is less than half of them (ReAct's rule).

    temperature: of those requests that the fast technique makes greedily.
    """

    samples: int = 5
    temperature: float = 0.7

    def __post_init__(self) -> None:
        if self.samples < 3:
            raise UserError(f"{self.samples} samples can't disagree in a way that says something: take 3 or more.")
        if self.temperature <= 0:
            raise UserError("at temperature 0 all samples would agree: choose one above 0.")

    def hunch(self, fast: Technique, question: str) -> Hunches:
        """The answer that most samples agree on."""
        samples = yield from draw(fast, question, self.samples, self.temperature)
        groups = ranked(by_value(samples)) or [[]]
        agreed = len(groups[0])
        answer = groups[0][0].answer if agreed else samples[0].answer
        tokens = sum(sample.answer.usage.tokens for sample in samples)
        return Hunch(answer, 2 * agreed < self.samples, f"{agreed} of {self.samples} agree", tokens)


@dataclass(frozen=True)
class NoAnswer:
    """Doubts an answer without a value: what an agent gives that reached a cap, or a search that found nothing."""

    def hunch(self, fast: Technique, question: str) -> Hunches:
        """One answer."""
        answer = yield from fast.solve(question)
        evidence = "no answer" if answer.value is None else "answered"
        return Hunch(answer, answer.value is None, evidence, answer.usage.tokens)


@dataclass
class Route(Technique):
    """The answer of `fast`, or that of `slow` where `when` doubts it.

    budget: tokens, read and written, that one question may take. (For each question rather than for a whole run, so
    that an answer doesn't depend on which other questions were asked.) The slow way makes a request only if it
    fits at its worst, so it never exceeds the budget; a slow way that is broken off leaves the fast answer.
    Both must ask the same model.
    """

    fast: Technique
    slow: Technique
    when: Doubt = field(default_factory=LowMargin)
    budget: int | None = None
    lm: LanguageModel = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.fast.lm is not self.slow.lm:
            raise UserError(
                f"both ways of a route must ask one model, not {self.fast.lm.name} and {self.slow.lm.name}."
            )
        if self.budget is not None and self.budget < 1:
            raise UserError(f"a budget of {self.budget} tokens allows no answer: give more, or None for no limit.")
        self.lm = self.fast.lm

    def program(self, question: str) -> Program:
        """Answer fast; where that is doubtful, slowly."""
        hunch = yield from self.when.hunch(self.fast, question)
        evidence = f"fast: {hunch.evidence}"
        if not hunch.doubtful:
            return replace(hunch.answer, note=joined(evidence, hunch.answer.note))
        try:
            answer = yield from Budget(self.lm, self.budget, hunch.tokens).charge(self.slow.solve(question))
        except SpentError as spent:
            return replace(hunch.answer, note=joined(evidence, f"slow way broken off: {spent}", hunch.answer.note))
        return replace(answer, note=joined(f"slow: {hunch.evidence}", answer.note))


def _margin(token: Token) -> float:
    (likeliest, first), (_, second) = token.top[:2]
    return token.logprob - (second if token.text == likeliest else first)
