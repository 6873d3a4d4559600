"""Rows that can't be played on are refused, by file and row, before any model is opened."""

from pathlib import Path
from typing import Any

import pytest

from cygnet.corpus.tasks import exercises
from cygnet.errors import UserError
from cygnet.files import write_jsonl
from cygnet.recipe.contest import rank_any
from cygnet.stages.config import RankConfig
from cygnet.training.work import Work

EXERCISE = next(exercises("test", 1, ("addition",))).to_json()
PROMPT = [{"role": "user", "content": "What is 1 + 1?"}]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"exercise": EXERCISE}, "prompt missing"),
        ({"prompt": [1], "exercise": EXERCISE}, "expected a list of messages"),
        ({"prompt": [{"role": "robot", "content": ""}], "exercise": EXERCISE}, "unknown role 'robot'"),
        ({"prompt": [{"role": "user", "content": 7}], "exercise": EXERCISE}, "must be text, not int"),
        ({"prompt": PROMPT}, "exercise missing. Give a reward model"),
        ({"prompt": PROMPT, "exercise": "math"}, "an exercise is an object of fields, not str"),
        ({"prompt": PROMPT, "exercise": {**EXERCISE, "answer": 2}}, "the exercise's answer can't be 2"),
    ],
)
def test_a_row_that_cannot_be_ranked_on_is_named(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    prompts = tmp_path / "prompts.jsonl"
    write_jsonl(prompts, [{"prompt": PROMPT, "exercise": EXERCISE}, row])
    work = Work(tmp_path / "checkpoints", tmp_path / "metrics", seed=1, threads=1, progress=False)
    models = {"a": tmp_path / "no-model", "b": tmp_path / "no-model"}
    with pytest.raises(UserError, match=rf"prompts\.jsonl, row 2: .*{message}"):
        rank_any(models, prompts, None, tmp_path / "out", RankConfig(), work)
