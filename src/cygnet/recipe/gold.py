"""The rubric as the gold judge of rows that carry their exercise."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cygnet.corpus.tasks import Exercise
from cygnet.feedback.rubric import judge
from cygnet.files import read_jsonl


def gold_score(row: dict[str, Any], response: str, finished: bool) -> float:
    """The rubric's total, from 0 to 1, for a response to a row's exercise."""
    return judge(Exercise.from_json(row["exercise"]), response, finished).total


def gold_for(rows: Path | None) -> Callable[[dict[str, Any], str, bool], float] | None:
    """`gold_score` when every row of the file carries an exercise, otherwise None: there is nothing to judge by."""
    return gold_score if rows and all("exercise" in row for row in read_jsonl(rows)) else None
