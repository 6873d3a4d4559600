"""A verifiable exercise: a question, how to work it out, and the one right answer."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Form = Literal["text", "json"]

_ANSWER = "Answer: "


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    family: which generator made it.
    key: its identity, wording apart; exercises that share a key never straddle training and held-out.
    question: what the user asks, the passage apart.
    answer: the right answer, as the last line gives it after "Answer: ".
    steps: the worked steps, a line each; empty where nothing has to be worked out.
    passage: text the answer must be taken from; empty if none.
    tool: the expression to give the Python tool; empty if none.
    form: whether the reply is to be text or one JSON object.
    labeled: whether the answer stands after "Answer: "; otherwise it is the whole reply.
    """

    family: str
    key: str
    question: str
    answer: str
    steps: tuple[str, ...] = ()
    passage: str = ""
    tool: str = ""
    form: Form = "text"
    labeled: bool = True

    @property
    def prompt(self) -> str:
        """What the user writes: passage, question and, where asked for, the form of the reply."""
        parts = [self.passage, self.question] if self.passage else [self.question]
        return "\n".join(parts) + (" Reply in JSON." if self.form == "json" else "")

    def in_json(self) -> "Exercise":
        """The same exercise, to be answered as a JSON object."""
        return replace(self, form="json")

    def to_json(self) -> dict[str, Any]:
        """Plain fields."""
        return {**asdict(self), "steps": list(self.steps)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Exercise":
        """Inverse of `to_json`."""
        return cls(**{**fields, "steps": tuple(fields["steps"])})


def worked_reply(exercise: Exercise) -> str:
    """The reply a careful person would write: every step, then the answer. A tool call is not part of it."""
    if exercise.form == "json":
        return json.dumps({"steps": list(exercise.steps), "answer": exercise.answer})
    return "\n".join([*exercise.steps, _last_line(exercise)])


def bare_reply(exercise: Exercise) -> str:
    """The reply of someone in a hurry: the answer alone."""
    if exercise.form == "json":
        return json.dumps({"answer": exercise.answer})
    return _last_line(exercise)


def _last_line(exercise: Exercise) -> str:
    return _ANSWER + exercise.answer if exercise.labeled else exercise.answer


def answer_in(exercise: Exercise, reply: str) -> str | None:
    """The answer a reply gives: its "answer" key in JSON form, else what follows its last "Answer: "; else None."""
    if exercise.form == "json":
        found = parse_object(reply)
        return None if found is None or "answer" not in found else str(found["answer"])
    if not exercise.labeled:
        return reply
    lines = [line for line in reply.split("\n") if line.startswith(_ANSWER)]
    return lines[-1].removeprefix(_ANSWER).strip() if lines else None


def check(exercise: Exercise, reply: str) -> bool:
    """Whether the reply's answer is the right one."""
    return answer_in(exercise, reply) == exercise.answer


def parse_object(reply: str) -> dict[str, Any] | None:
    """The reply as one JSON object, or None when it is anything else."""
    try:
        value = json.loads(reply)
    except (json.JSONDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
