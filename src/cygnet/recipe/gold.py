"""Whether the rubric can be the gold judge of some rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cygnet.feedback.rubric import gold
from cygnet.files import read_jsonl


def gold_for(rows: Path | None) -> Callable[[dict[str, Any], str, bool], float] | None:
    """The rubric's mark if every row of the file carries an exercise; otherwise None: there is nothing to judge by."""
    return gold if rows and all("exercise" in row for row in read_jsonl(rows)) else None
