"""What the last stage says about a small run is what its own answers say."""

from pathlib import Path

import pytest

from cygnet.corpus.holdout import split_of_key
from cygnet.corpus.tasks import Exercise, exercises, worked_reply
from cygnet.feedback.rubric import CUT_OFF, gold, judge_shown
from cygnet.files import read_json, read_jsonl
from cygnet.recipe.ranking import few_shot_examples, marks

EXERCISE = next(exercises("test", 1, ("addition",)))
ROW = {"prompt": [{"role": "user", "content": EXERCISE.prompt}], "exercise": EXERCISE.to_json()}


def test_the_base_model_is_shown_worked_training_exercises() -> None:
    examples = few_shot_examples(3)
    assert examples == few_shot_examples(3) != few_shot_examples(4)
    for example in examples:
        assert example.startswith("Q: ")
        assert example.count("Q: ") == example.count("\nA: ") == 1
        assert not example.endswith("\n")


def test_marks_are_means_over_the_prompts() -> None:
    right, wrong = worked_reply(EXERCISE), "Answer: no idea"
    found = marks([ROW, ROW], [right, wrong])
    assert found["accuracy"] == 0.5
    assert found["mark"] == pytest.approx((1 + gold(ROW, wrong)) / 2)
    assert marks([ROW], [right + CUT_OFF])["accuracy"] == 0


def test_all_players_answer_the_same_heldout_prompts(tiny_run: Path) -> None:
    prompts = {row["prompt"][-1]["content"]: row for row in read_jsonl(tiny_run / "conversations/test_prompts.jsonl")}
    rows = read_jsonl(tiny_run / "arena/stages.jsonl")
    players = {row["player"] for row in read_json(tiny_run / "arena/ladder.json")["ladder"]}
    assert len({row["family"] for row in rows}) == len(rows)
    for row in rows:
        asked = prompts[row["prompt"]]
        exercise = Exercise.from_json(asked["exercise"])
        assert split_of_key(exercise.key) == "test"
        assert row["reference"] == exercise.answer
        assert set(row["answers"]) == set(row["scores"]) == players
        for player, text in row["answers"].items():
            assert row["scores"][player] == judge_shown(asked, text).total


def test_one_answer_is_shown_token_by_token(tiny_run: Path) -> None:
    shown = read_json(tiny_run / "arena/probabilities.json")
    first = read_jsonl(tiny_run / "arena/stages.jsonl")[0]
    assert shown["prompt"] == first["prompt"]
    text = "".join(token["text"] for token in shown["tokens"])
    assert text.removesuffix("<|end|>") == first["answers"]["rl"].removesuffix(CUT_OFF)
    for token in shown["tokens"]:
        assert token["logprob"] <= token["top"][0][1] + 1e-4
