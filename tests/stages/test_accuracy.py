from collections.abc import Sequence
from pathlib import Path

import pytest

from cygnet.corpus.tasks import Exercise, bare_reply, exercises
from cygnet.errors import UserError
from cygnet.files import write_jsonl
from cygnet.generation import Completion, Sampling
from cygnet.stages import accuracy
from cygnet.stages.accuracy import read_exercises, task_accuracy
from cygnet.tokens.chat import render_prompt
from cygnet.tokens.tokenizer import Tokenizer


@pytest.fixture
def rows() -> list[dict]:
    source = exercises("validation", 1, ("addition", "which"))
    return [conversation(next(source)) for _ in range(12)]


def conversation(exercise: Exercise) -> dict:
    """A row in which an exercise is the second question."""
    talk = [("user", "Hello"), ("assistant", "Hi."), ("user", exercise.prompt), ("assistant", bare_reply(exercise))]
    return {"messages": [{"role": role, "content": text} for role, text in talk], "exercise": exercise.to_json()}


def solves(rows: list[dict], tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch, replies: list[str], finished=True):
    """Accuracy of a model that gives these replies."""

    class Engine:
        def __init__(self, *_: object) -> None:
            pass

        def generate(self, prompts: Sequence[list[int]], sampling: Sampling) -> list[list[Completion]]:
            assert sampling.temperature == 0
            assert prompts == [render_prompt(row["messages"][:-1], tokenizer) for row in rows]
            ids = [[*tokenizer.encode(reply), tokenizer.end_id] for reply in replies]
            # a tool's turn in a reply is told by special tokens, which text can't hold
            turns = ("<|python|>", "<|end|>", "<|tool|>", "<|end|>", "<|assistant|>")
            call = [tokenizer.id_of(token) for token in turns]
            reason = "stop" if finished else "length"
            return [[Completion([*call, *tokens], [], [], reason)] for tokens in ids]

    monkeypatch.setattr(accuracy, "Engine", Engine)
    return task_accuracy(None, tokenizer, rows)


def test_right_answers_are_counted_by_family(rows, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    families = [row["exercise"]["family"] for row in rows]
    assert set(families) == {"addition", "which"}
    replies = [bare_reply(Exercise.from_json(row["exercise"])) for row in rows]
    for place, family in enumerate(families):
        if family == "which":
            replies[place] = "Answer: no idea"
    found = solves(rows, tokenizer, monkeypatch, replies)
    assert found.by_family == {"addition": 1.0, "which": 0.0}
    assert found.accuracy == families.count("addition") / 12
    assert len(found.samples) == 6
    assert found.samples[0][0] == Exercise.from_json(rows[0]["exercise"]).prompt
    assert found.samples[0][1].endswith(replies[0])


def test_an_answer_that_never_ends_is_not_right(rows, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    replies = [bare_reply(Exercise.from_json(row["exercise"])) for row in rows]
    assert solves(rows, tokenizer, monkeypatch, replies).accuracy == 1
    assert solves(rows, tokenizer, monkeypatch, replies, finished=False).accuracy == 0


def test_rows_without_an_exercise_are_left_out(rows: list[dict], tmp_path: Path) -> None:
    plain = [{"messages": row["messages"]} for row in rows[:2]]
    write_jsonl(tmp_path / "a.jsonl", [rows[0], plain[0], {"prompt": "?", "completion": "!"}, rows[1], plain[1]])
    assert read_exercises(tmp_path / "a.jsonl") == rows[:2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"exercise": "squats"}, "an exercise is an object of fields, not str"),
        ({"exercise": {"family": "addition"}}, "the exercise lacks key, question, answer"),
        ({"messages": [{"role": "assistant", "content": "4"}]}, "it has an exercise, but no user asks it"),
    ],
)
def test_an_exercise_that_can_not_be_asked_is_named(
    rows: list[dict], tmp_path: Path, change: dict, message: str
) -> None:
    write_jsonl(tmp_path / "a.jsonl", [rows[0], {**rows[1], **change}])
    with pytest.raises(UserError, match=rf"a\.jsonl, row 2: {message}"):
        read_exercises(tmp_path / "a.jsonl")
