"""Whether the rubric can be the gold judge of some rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cygnet.corpus.tasks import Exercise
from cygnet.errors import UserError
from cygnet.feedback.rubric import gold
from cygnet.files import read_jsonl


def gold_for(rows: Path | None) -> Callable[[dict[str, Any], str, bool], float] | None:
    """The rubric's mark if every row of the file carries an exercise; otherwise None: there is nothing to judge by.

    Raises UserError naming a row whose exercise is malformed.
    """
    given = read_jsonl(rows) if rows else []
    if not given or any(row.get("exercise") is None for row in given):
        return None
    for number, row in enumerate(given, 1):
        try:
            Exercise.from_json(row["exercise"])
        except UserError as error:
            raise UserError(f"{rows}, row {number}: {error}") from error
    return gold
