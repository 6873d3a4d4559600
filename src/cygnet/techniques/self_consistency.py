"""Self-consistency: several answers to the same question, and the one that most of them agree on.

Wang et al. 2022, "Self-Consistency Improves Chain of Thought Reasoning in Language Models", arXiv 2203.11171: many
ways of thinking lead to a right answer, while wrong ones differ. They sampled 40 chains at temperature 0.7; most of the
gain came with the first ten.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cygnet.errors import UserError
from cygnet.lm.base import LanguageModel
from cygnet.techniques.base import Program, Technique
from cygnet.techniques.samples import Sample, draw


@dataclass
class Vote(Technique):
    """The majority of `k` answers of `inner`, by their values; an answer without a value doesn't vote.

    The answers are drawn in batches, each the smallest after which the vote may be decided, and no more once the leader
    can't be caught. first: the size of the first batch instead; `first=k` draws all at once, which takes more tokens
    but least time. temperature: of those requests that `inner` makes greedily. A tie goes to the answers that are the
    likelier together, if `inner` asks for log-probabilities (`Sampling.logprobs`), else to the one seen first.
    """

    inner: Technique
    k: int = 8
    first: int | None = None
    temperature: float = 0.7
    lm: LanguageModel = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UserError(f"a vote needs k of at least 1, not {self.k}.")
        if self.first is not None and not 1 <= self.first <= self.k:
            raise UserError(f"the first of {self.k} answers can't be {self.first}: choose 1 to {self.k}.")
        if self.temperature <= 0:
            raise UserError("at temperature 0 all answers of a vote would be alike: choose one above 0.")
        self.lm = self.inner.lm

    def program(self, question: str) -> Program:
        """Draw and count until the vote is decided."""
        samples: list[Sample] = []
        batch = self.first or fewest_to_decide(samples, self.k)
        while batch:
            samples += yield from draw(self.inner, question, batch, self.temperature)
            batch = fewest_to_decide(samples, self.k - len(samples))
        ranking = ranked(by_value(samples))
        if not ranking:
            note = f"no answer could be read in {len(samples)} samples"
            return replace(samples[0].answer, note=note)
        return replace(ranking[0][0].answer, note=self._note(samples, ranking))

    def _note(self, samples: Sequence[Sample], ranking: Sequence[Sequence[Sample]]) -> str:
        votes = sum(map(len, ranking))
        note = f"{len(ranking[0])} of {votes} votes"
        if votes < len(samples):
            note += f", {len(samples) - votes} without an answer"
        if len(samples) < self.k:
            note += f", {self.k - len(samples)} not needed"
        return note


def by_value(samples: Sequence[Sample]) -> list[list[Sample]]:
    """Samples whose answers have equal values together, in the order first seen; those without a value left out."""
    groups: list[list[Sample]] = []
    for sample in samples:
        if sample.answer.value is None:
            continue
        for group in groups:  # values may be anything that has ==, so they can't be looked up by hash
            if group[0].answer.value == sample.answer.value:
                group.append(sample)
                break
        else:
            groups.append([sample])
    return groups


def ranked(groups: Sequence[list[Sample]]) -> list[list[Sample]]:
    """Groups by size; equal ones by their total log-probability if every sample's is known, else as they were."""
    logprobs = [[sample.logprobs for sample in group] for group in groups]
    if any(values is None for several in logprobs for values in several):
        return sorted(groups, key=len, reverse=True)
    totals = [sum(sum(values or ()) for values in several) for several in logprobs]
    order = sorted(range(len(groups)), key=lambda i: (len(groups[i]), totals[i]), reverse=True)
    return [groups[i] for i in order]


def fewest_to_decide(samples: Sequence[Sample], remaining: int) -> int:
    """How many of the `remaining` samples could decide the vote if all went to the leader; 0: it is decided."""
    if not remaining:
        return 0
    first, second, *_ = *sorted(map(len, by_value(samples)), reverse=True), 0, 0
    return max(0, (second + remaining - first) // 2 + 1)
