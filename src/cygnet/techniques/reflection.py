"""Reflection: ask the model whether it met the assignment, and let it correct itself.

Madaan et al. 2023, "Self-Refine", arXiv 2303.17651; Shinn et al. 2023, "Reflexion", arXiv 2303.11366, whose signal are
tests that run. Without a signal from outside it tends to do harm: Huang et al. 2023, "Large Language Models Cannot
Self-Correct Reasoning Yet", arXiv 2310.01798, saw GPT-4 fall from 95.5 to 89.0 % on GSM8K in two rounds. So bring a
checker.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel
from cygnet.techniques.base import Answer, Program, Technique, step
from cygnet.techniques.forms import GREEDY_LONG, Chat, Form, Turn, ask, cut_off, fill, joined, require_holes
from cygnet.techniques.parsing import Parser

# What is wrong with an answer to a question, or None.
Check = Callable[[str, Answer], str | None]

_YES = re.compile(r"\W*yes\b", re.IGNORECASE)


@dataclass
class Reflect(Technique):
    """Revises what `inner` answers, at most `rounds` times.

    check: says what is wrong with an answer to a question, or None; the model revises only what it rejects, and is told
    why. None: the model is asked itself, and keeps its answer when it begins with yes; the answer's note then says that
    nothing was verified.
    met, revise, rejected: what the model is told; the last has the hole {problem}.
    parse: reads the value out of a revised answer; None: as `inner` does. Raises UserError when `inner` has no `parse`.
    """

    inner: Technique
    check: Check | None = None
    rounds: int = 1
    form: Form = field(default_factory=Chat)
    met: str = "Did you meet the assignment? Begin with Yes or No. If No, say what is wrong."
    revise: str = "Correct it, and give the whole answer again."
    rejected: str = "That is not right: {problem}\nCorrect it, and give the whole answer again."
    parse: Parser | None = None
    sampling: Sampling = GREEDY_LONG
    lm: LanguageModel = field(init=False, repr=False)
    _read: Parser = field(init=False, repr=False)

    def __post_init__(self) -> None:
        require_holes("the message about a rejected answer", self.rejected, "problem")
        if self.rounds < 1:
            raise UserError(f"reflection needs at least 1 round, not {self.rounds}.")
        read = self.parse or getattr(self.inner, "parse", None)
        if read is None:
            kind = type(self.inner).__name__
            raise UserError(f"how is the value of a revised answer read? {kind} doesn't say: give Reflect a `parse`.")
        self.lm, self._read = self.inner.lm, read

    def program(self, question: str) -> Program:
        """Answer, then check or reflect, and revise."""
        answer = yield from self.inner.solve(question)
        if self.check is None:
            return (yield from self._by_itself(question, answer))
        return (yield from self._by_checker(question, answer, self.check))

    def _by_checker(self, question: str, answer: Answer, check: Check) -> Program:
        for revisions in range(self.rounds + 1):
            problem = check(question, answer)
            yield [step("check", "accepted" if problem is None else problem)]
            if problem is None:
                return replace(answer, note=joined(answer.note, f"accepted after {_count(revisions)}"))
            if revisions < self.rounds:
                answer = yield from self._revised([*self._said(question, answer), self._rejection(problem)])
        return replace(answer, note=joined(answer.note, f"rejected after {_count(self.rounds)}: {problem}"))

    def _by_itself(self, question: str, answer: Answer) -> Program:
        revisions = 0
        while revisions < self.rounds:
            turns = [*self._said(question, answer), Turn("user", self.met)]
            [[review]] = yield [ask(self.form, turns, self.sampling, "reflect")]
            if _YES.match(review.text):
                break
            answer = yield from self._revised([*turns, Turn("assistant", review.text), Turn("user", self.revise)])
            revisions += 1
        return replace(answer, note=joined(answer.note, f"no checker: unverified after {_count(revisions)}"))

    def _said(self, question: str, answer: Answer) -> list[Turn]:
        """Question and answer as they were, with the instructions that `inner` puts around the question."""
        asked = fill(getattr(self.inner, "template", "{question}"), question=question)
        return [Turn("user", asked), Turn("assistant", answer.text)]

    def _revised(self, turns: Sequence[Turn]) -> Program:
        [[reply]] = yield [ask(self.form, turns, self.sampling, "revise")]
        return Answer(self._read(reply.text), reply.text, note=cut_off(reply))

    def _rejection(self, problem: str) -> Turn:
        return Turn("user", fill(self.rejected, problem=problem))


def _count(revisions: int) -> str:
    return "1 revision" if revisions == 1 else f"{revisions or 'no'} revisions"
