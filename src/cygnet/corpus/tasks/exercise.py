"""A verifiable exercise: a question, how to work it out, and the one right answer."""

import json
import re
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from cygnet.errors import UserError

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

    def casual(self) -> "Exercise":
        """The same exercise, typed in a hurry: no capital at the start, no point at the end, lists without spaces."""
        question = self.question[0].lower() + self.question[1:].rstrip("?.!")
        return replace(self, question=re.sub(r"(?<=\d), (?=\d)", ",", question))

    def to_json(self) -> dict[str, Any]:
        """Plain fields."""
        return {**asdict(self), "steps": list(self.steps)}

    @classmethod
    def from_json(cls, value: Any) -> "Exercise":
        """Inverse of `to_json`. Raises UserError for what is not an exercise, naming the field that is wrong."""
        if not isinstance(value, dict):
            raise UserError(f"an exercise is an object of fields, not {type(value).__name__}.")
        known = {field.name: field.default is MISSING for field in fields(cls)}
        if missing := [name for name, required in known.items() if required and name not in value]:
            raise UserError(f"the exercise lacks {', '.join(missing)}.")
        for name, found in value.items():
            if name not in known:
                raise UserError(f"an exercise has no field {name!r}: it has {', '.join(known)}.")
            if not _fits(name, found):
                raise UserError(f"the exercise's {name} can't be {found!r}: expected {_EXPECTED.get(name, 'text')}.")
        return cls(**{**value, "steps": tuple(value.get("steps", ()))})

    @classmethod
    def of_row(cls, row: dict[str, Any], file: Path, number: int) -> "Exercise | None":
        """The exercise that a file's row carries, if it does. null is how tables write that there is none.

        Raises UserError naming the row for what is not an exercise.
        """
        if row.get("exercise") is None:
            return None
        try:
            return cls.from_json(row["exercise"])
        except UserError as error:
            raise UserError(f"{file}, row {number}: {error}") from error


_EXPECTED = {"steps": "a list of texts", "form": '"text" or "json"', "labeled": "true or false"}


def _fits(name: str, value: Any) -> bool:
    """Whether a value read from JSON can be an exercise's field of that name."""
    if name == "steps":
        return isinstance(value, list) and all(isinstance(step, str) for step in value)
    if name == "labeled":
        return isinstance(value, bool)
    return value in get_args(Form) if name == "form" else isinstance(value, str)


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
