"""The gold judge: the written guidelines (docs/explanation/guidelines.md) as code."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from cygnet.corpus.tasks import Exercise, answer_in, check, parse_object, worked_reply
from cygnet.tokens.chat import last_turn

WEIGHTS = {"correct": 0.5, "steps": 0.2, "well_formed": 0.15, "concise": 0.1, "grounded": 0.05}

CUT_OFF = " [cut off]"


class Verdict(NamedTuple):
    """Marks from 0 to 1 on each criterion, and their weighted sum."""

    correct: float
    steps: float
    well_formed: float
    concise: float
    grounded: float

    @property
    def total(self) -> float:
        """Weighted sum of the marks, from 0 to 1."""
        return sum(WEIGHTS[name] * float(mark) for name, mark in self._asdict().items())


def judge(exercise: Exercise, response: str, finished: bool = True) -> Verdict:
    """Mark a response. `finished` says whether the assistant ended its turn by itself.

    `response` is everything the assistant and its tool wrote, special tokens by name (`tokens.chat.response_text`).
    """
    reply = last_turn(response)
    return Verdict(
        correct=float(finished and check(exercise, reply)),
        steps=_steps(exercise, response, reply),
        well_formed=float(finished and _well_formed(exercise, reply)),
        concise=_concise(exercise, response),
        grounded=float(_grounded(exercise, reply)),
    )


def gold(row: Mapping[str, Any], response: str, finished: bool = True) -> float:
    """Total mark of a response to a row that carries its exercise."""
    return judge(Exercise.from_json(row["exercise"]), response, finished).total


class RubricJudge:
    """Compares two answers by their total marks. It reads each on its own: the order they come in can't matter.

    An answer that ran out of room is shown with CUT_OFF at its end.
    """

    name = "rubric"

    def compare(self, row: Mapping[str, Any], left: str, right: str) -> float:
        """1 when `left` has the higher mark, 0 when `right` has, 0.5 when they are equal."""
        difference = judge_shown(row, left).total - judge_shown(row, right).total
        return 0.5 if abs(difference) < 1e-9 else float(difference > 0)


def judge_shown(row: Mapping[str, Any], shown: str) -> Verdict:
    """`judge` of an answer as judges see it."""
    exercise = Exercise.from_json(row["exercise"])
    return judge(exercise, shown.removesuffix(CUT_OFF), finished=not shown.endswith(CUT_OFF))


def _steps(exercise: Exercise, response: str, reply: str) -> float:
    """Share of the needed steps that are there, in order; for a tool exercise, whether the tool was asked rightly."""
    if exercise.tool:
        return float(response.startswith(f"<|python|>{exercise.tool}<|end|>"))
    if not exercise.steps:
        return 1.0
    shown = _shown_steps(exercise, reply)
    found = 0
    for line in shown:
        found += found < len(exercise.steps) and line == exercise.steps[found]
    return found / len(exercise.steps)


def _shown_steps(exercise: Exercise, reply: str) -> list[str]:
    if exercise.form == "text":
        return reply.split("\n")
    found = (parse_object(reply) or {}).get("steps")
    return [str(step) for step in found] if isinstance(found, list) else []


def _well_formed(exercise: Exercise, reply: str) -> bool:
    """Text: the answer alone on the last line, once. JSON: one object with "answer" and, at most, "steps"."""
    if exercise.form == "json":
        found = parse_object(reply)
        return found is not None and "answer" in found and set(found) <= {"answer", "steps"}
    if not exercise.labeled:
        return "\n" not in reply
    lines = reply.split("\n")
    return lines[-1].startswith("Answer: ") and sum(line.startswith("Answer: ") for line in lines) == 1


def _concise(exercise: Exercise, response: str) -> float:
    """1 up to a quarter longer than a careful reply, falling to 0 at two and a half times its length."""
    allowed = len(worked_reply(exercise)) * 1.25 + 10 + (2 * len(exercise.tool) + 45 if exercise.tool else 0)
    return max(0.0, min(1.0, 2 - len(response) / allowed))


def _grounded(exercise: Exercise, reply: str) -> bool:
    """With a passage, the answer must stand in it word for word."""
    if not exercise.passage:
        return True
    answer = answer_in(exercise, reply)
    return answer is not None and answer != "" and answer in exercise.passage
