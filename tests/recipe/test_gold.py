from pathlib import Path

from cygnet.corpus.tasks import exercises, worked_reply
from cygnet.files import write_jsonl
from cygnet.recipe.gold import gold_for, gold_score


def test_a_careful_reply_is_worth_more_than_a_wrong_one() -> None:
    exercise = next(exercises("test", 1, ("addition",)))
    row = {"exercise": exercise.to_json()}
    assert gold_score(row, worked_reply(exercise), True) > 0.99
    assert gold_score(row, "I wonder.", True) < 0.5


def test_rows_without_exercises_have_no_gold(tmp_path: Path) -> None:
    exercise = next(exercises("test", 1)).to_json()
    rows = tmp_path / "rows.jsonl"
    write_jsonl(rows, [{"exercise": exercise}, {"exercise": exercise}])
    assert gold_for(rows) is gold_score
    write_jsonl(rows, [{"exercise": exercise}, {}])
    assert gold_for(rows) is None
    assert gold_for(None) is None
