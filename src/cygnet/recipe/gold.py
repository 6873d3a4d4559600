"""Whether the rubric can be the gold judge of some rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cygnet.corpus.tasks import Exercise
from cygnet.feedback.rubric import gold
from cygnet.files import read_jsonl


def gold_for(rows: Path | None) -> Callable[[dict[str, Any], str, bool], float] | None:
    """The rubric's mark if every row of the file carries an exercise; otherwise None: there is nothing to judge by.

    Raises UserError naming a row whose exercise is malformed.
    """
    exercises = [Exercise.of_row(row, rows, number) for number, row in enumerate(read_jsonl(rows), 1)] if rows else []
    return gold if exercises and all(exercises) else None
