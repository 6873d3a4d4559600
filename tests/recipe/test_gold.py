from pathlib import Path

import pytest

from cygnet.corpus.tasks import exercises, worked_reply
from cygnet.errors import UserError
from cygnet.files import write_jsonl
from cygnet.recipe.gold import gold_for


def test_rows_with_exercises_are_judged_by_the_rubric(tmp_path: Path) -> None:
    exercise = next(exercises("test", 1, ("addition",)))
    row = {"exercise": exercise.to_json()}
    write_jsonl(tmp_path / "rows.jsonl", [row])
    gold = gold_for(tmp_path / "rows.jsonl")
    assert gold is not None
    assert gold(row, worked_reply(exercise), True) > 0.99
    assert gold(row, "I wonder.", True) < 0.5


def test_rows_without_exercises_have_no_gold(tmp_path: Path) -> None:
    exercise = next(exercises("test", 1)).to_json()
    write_jsonl(tmp_path / "rows.jsonl", [{"exercise": exercise}, {}])
    assert gold_for(tmp_path / "rows.jsonl") is None
    write_jsonl(tmp_path / "rows.jsonl", [{"exercise": exercise}, {"exercise": None}])
    assert gold_for(tmp_path / "rows.jsonl") is None
    assert gold_for(None) is None


def test_a_malformed_exercise_is_named(tmp_path: Path) -> None:
    exercise = next(exercises("test", 1)).to_json()
    write_jsonl(tmp_path / "rows.jsonl", [{"exercise": exercise}, {"exercise": "squats"}])
    with pytest.raises(UserError, match=r"rows\.jsonl, row 2: an exercise is an object of fields, not str"):
        gold_for(tmp_path / "rows.jsonl")
