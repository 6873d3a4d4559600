from collections.abc import Sequence

import pytest

from cygnet.corpus.tasks import Exercise, bare_reply, exercises
from cygnet.generation import Completion, Sampling
from cygnet.stages import accuracy
from cygnet.stages.accuracy import task_accuracy
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
