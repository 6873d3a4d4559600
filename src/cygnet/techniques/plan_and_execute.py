"""Plan and execute: write down the steps first, carry out each with another technique, and plan anew where one fails.

After Wang et al. 2023, "Plan-and-Solve Prompting", arXiv 2305.04091, who plan and solve in one reply; here each step is
a question of its own, so that any technique can answer it (an agent with tools, a vote) and a check can reject it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel
from cygnet.techniques.base import Answer, Asking, Program, Technique, step
from cygnet.techniques.budget import Budget, SpentError
from cygnet.techniques.forms import GREEDY_LONG, Chat, Form, Turn, ask, cut_off, fill, require_holes
from cygnet.techniques.parsing import Parser, whole
from cygnet.techniques.reflection import Check

_STEP = re.compile(r"^\s*(?:\d+[.)]|[-*])\s+(\S.*?)\s*$", re.MULTILINE)
_NO_PLAN = "there is no list of steps, a numbered line each"
_CUT_OFF = "the plan was cut off: write a shorter one"


class _Done(NamedTuple):
    """A step that was carried out, and its result."""

    step: str
    result: str


@dataclass
class PlanAndExecute(Technique):
    """Plans, has `executor` carry out the steps, and answers with what they came to.

    A step fails when its answer has no value, or `check` (of the step and its answer) says what is wrong with it. Then
    the rest is planned anew, `replans` times at most. What the model is told, with its holes:
    plan: {question}. replan: {done}, {problem}. execute: {question}, {done}, {step}. conclude: {question}, {done}.
    parse: reads the value out of the concluding reply.

    most_steps: carried out for a question, failed ones included. tokens: read and written for it, never exceeded; None
    for no cap. Without an answer its value is None, and the note says why.
    """

    executor: Technique
    check: Check | None = None
    form: Form = field(default_factory=Chat)
    plan: str = (
        "{question}\n\nDon't answer yet. Make a plan: the fewest steps that lead to the answer, numbered, a line each."
    )
    replan: str = (
        "Done so far:\n{done}\n\nThis went wrong: {problem}\nMake a new plan for the rest, numbered, a line each."
    )
    execute: str = "The task as a whole: {question}\n\nDone so far:\n{done}\n\nDo only this step now: {step}"
    conclude: str = "{question}\n\nThis has been found out:\n{done}\n\nNow give the answer."
    parse: Parser = whole
    sampling: Sampling = GREEDY_LONG
    most_steps: int = 10
    replans: int = 2
    tokens: int | None = None
    lm: LanguageModel = field(init=False, repr=False)

    def __post_init__(self) -> None:
        require_holes("the request for a plan", self.plan, "question")
        require_holes("the request for a new plan", self.replan, "done", "problem")
        require_holes("the request to carry out a step", self.execute, "question", "done", "step")
        require_holes("the concluding request", self.conclude, "question", "done")
        if self.most_steps < 1 or self.replans < 0:
            raise UserError(f"nothing can be done in {self.most_steps} steps with {self.replans} new plans.")
        self.lm = self.executor.lm

    def program(self, question: str) -> Program:
        """Plan, carry out, conclude."""
        try:
            return (yield from Budget(self.lm, self.tokens).charge(self._work(question)))
        except SpentError as spent:
            return Answer(None, "", note=f"no answer: {spent}")

    def _work(self, question: str) -> Program:
        turns, done, plans, taken = [Turn("user", fill(self.plan, question=question))], list[_Done](), 0, 0
        while True:
            [[reply]] = yield [ask(self.form, turns, self.sampling, "plan")]
            plans += 1
            steps = _STEP.findall(reply.text) if reply.finished else []
            problem = None if steps else _NO_PLAN if reply.finished else _CUT_OFF
            for task in steps:
                if taken == self.most_steps:
                    return Answer(None, reply.text, note=f"no answer within the cap of {taken} steps")
                taken += 1
                problem = yield from self._carry_out(question, done, task)
                if problem:
                    break
            if problem is None:
                return (yield from self._conclude(question, done))
            if plans > self.replans:
                return Answer(None, reply.text, note=f"no answer, {plans} planned: {problem}")
            told = fill(self.replan, done=_listed(done), problem=problem)
            turns += [Turn("assistant", reply.text), Turn("user", told)]

    def _carry_out(self, question: str, done: list[_Done], task: str) -> Asking[str | None]:
        """Do one step and note its result; or say what went wrong."""
        request = fill(self.execute, question=question, done=_listed(done), step=task)
        answer = yield from self.executor.solve(request)
        problem = self.check(task, answer) if self.check and answer.value is not None else None
        if answer.value is None:
            problem = answer.note or "it led to no answer"
        yield [step("step", f"{task}\n{answer.value if problem is None else problem}")]
        if problem is None:
            done.append(_Done(task, str(answer.value)))
            return None
        return f'the step "{task}": {problem}'

    def _conclude(self, question: str, done: Sequence[_Done]) -> Program:
        turns = [Turn("user", fill(self.conclude, question=question, done=_listed(done)))]
        [[reply]] = yield [ask(self.form, turns, self.sampling, "conclude")]
        return Answer(self.parse(reply.text), reply.text, note=cut_off(reply))


def _listed(done: Sequence[_Done]) -> str:
    return "\n".join(f"{number}. {task}: {result}" for number, (task, result) in enumerate(done, 1)) or "(nothing)"
