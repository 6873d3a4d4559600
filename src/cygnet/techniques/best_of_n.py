"""Best of n: several answers to the same question, and a judge that picks one.

Cobbe et al. 2021, "Training Verifiers to Solve Math Word Problems", arXiv 2110.14168 (a trained judge); Stiennon et al.
2020, "Learning to Summarize from Human Feedback", arXiv 2009.01325 (a reward model).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from cygnet.errors import UserError
from cygnet.lm.base import LanguageModel
from cygnet.techniques.base import Answer, Program, Technique, step
from cygnet.techniques.forms import joined
from cygnet.techniques.samples import Sample, draw

# A scorer returns a number, more for better; a checker returns None or what is wrong (as in `reflection`).
Judge = Callable[[str, Answer], float | str | None]
Likelihood = Literal["sum", "mean"]


@dataclass
class BestOf(Technique):
    """The best of `n` answers of `inner`, drawn in one batch; of equal ones the first.

    judge: a function of question and answer: a checker (None: accepted, else what is wrong) or a scorer such as a
    reward model (a number, more is better). Or the model's own log-probability of everything it wrote: "sum", which
    favours short answers, or "mean" for each token. By score, an answer without a value loses to every other.
    temperature: of those requests that `inner` makes greedily.
    """

    inner: Technique
    n: int
    judge: Judge | Likelihood
    temperature: float = 0.7
    lm: LanguageModel = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.n < 1:
            raise UserError(f"the best of {self.n} answers can't be picked: n must be at least 1.")
        if self.temperature <= 0:
            raise UserError("at temperature 0 all answers would be alike: choose one above 0.")
        if isinstance(self.judge, str) and self.judge not in {"sum", "mean"}:
            raise UserError(f'unknown judge {self.judge!r}: use "sum" or "mean" (of log-probabilities), or a function.')
        self.lm = self.inner.lm

    def program(self, question: str) -> Program:
        """Draw, judge, pick."""
        logprobs = 0 if isinstance(self.judge, str) else None
        samples = yield from draw(self.inner, question, self.n, self.temperature, logprobs)
        verdicts = [self._verdict(question, sample) for sample in samples]
        yield [step("judge", "accepted" if verdict is None else str(verdict)) for verdict in verdicts]
        worth = [_worth(verdict, sample.answer) for verdict, sample in zip(verdicts, samples, strict=True)]
        best = worth.index(max(worth))
        answer = samples[best].answer
        return replace(answer, note=joined(answer.note, self._note(verdicts, best)))

    def _verdict(self, question: str, sample: Sample) -> float | str | None:
        if not isinstance(self.judge, str):
            verdict = self.judge(question, sample.answer)
            if isinstance(verdict, float) and math.isnan(verdict):
                raise UserError(f"the judge's score of {sample.answer.text!r} is not a number (nan).")
            return verdict
        values = sample.logprobs
        if values is None:
            raise UserError(f"{self.lm.name} gives no log-probabilities to judge by: use another judge.")
        if not values:
            return -math.inf  # nothing was written, so nothing is likely
        return sum(values) / (len(values) if self.judge == "mean" else 1)

    def _note(self, verdicts: Sequence[float | str | None], best: int) -> str:
        chosen = verdicts[best]
        if isinstance(chosen, str):
            return f"none of {self.n} accepted: {chosen}"
        if chosen is None:
            return f"{sum(verdict is None for verdict in verdicts)} of {self.n} accepted"
        by = f"{self.judge} log-probability" if isinstance(self.judge, str) else "score"
        return f"best of {self.n} by {by}: {chosen:.3f}"


def _worth(verdict: float | str | None, answer: Answer) -> float:
    if verdict is None:
        return math.inf
    return -math.inf if isinstance(verdict, str) or answer.value is None else verdict
