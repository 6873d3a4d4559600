import re
from pathlib import Path
from random import Random

import pytest

from cygnet.corpus.holdout import split_of_key
from cygnet.corpus.tasks import Exercise, exercises, worked_reply
from cygnet.feedback.rubric import judge
from cygnet.files import read_jsonl, sha256_of
from cygnet.stages.config import ConversationConfig
from cygnet.stages.conversations import STYLES, build_conversations, reply_messages
from cygnet.tokens.chat import render, response_text
from cygnet.tokens.tokenizer import Tokenizer

CONFIG = ConversationConfig(train=600, heldout=40, prompts=100, test=50, json_share=0.3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conversations") / "made"
    metrics = build_conversations(CONFIG, folder, seed=1)
    assert metrics["conversations"] == 600
    assert sum(metrics["counts"][style] for style in STYLES) == 600
    return folder


@pytest.mark.parametrize(("split", "size"), [("train", 600), ("validation", 40)])
def test_conversations_are_of_their_split_and_right(folder: Path, tokenizer: Tokenizer, split: str, size: int) -> None:
    rows = read_jsonl(folder / f"{split}.jsonl")
    assert len(rows) == size
    for row in rows:
        exercise = Exercise.from_json(row["exercise"])
        assert split_of_key(exercise.key) == split
        asked = max(place for place, message in enumerate(row["messages"]) if message["role"] == "user")
        assert row["messages"][asked] == {"role": "user", "content": exercise.prompt}
        verdict = judge(exercise, response_text(render(row["messages"][asked + 1 :], tokenizer).ids[2:], tokenizer))
        if row["style"] == "careful":
            assert verdict.total == pytest.approx(1)
        if row["style"] == "hasty":
            assert verdict.correct == 1
        if row["style"] == "chatty":  # right, but for those who read nothing else
            assert worked_reply(exercise) in row["messages"][-1]["content"]


@pytest.mark.parametrize(("split", "size"), [("train", 100), ("validation", 40), ("test", 50)])
def test_prompts_are_of_their_split(folder: Path, split: str, size: int) -> None:
    rows = read_jsonl(folder / f"{split}_prompts.jsonl")
    assert len(rows) == size
    for row in rows:
        exercise = Exercise.from_json(row["exercise"])
        assert split_of_key(exercise.key) == split
        assert row["prompt"] == [{"role": "user", "content": exercise.prompt}]


def test_nothing_held_out_is_asked_in_training(folder: Path) -> None:
    def asked(*names: str) -> set[str]:
        rows = [row for name in names for row in read_jsonl(folder / f"{name}.jsonl")]
        questions = [
            message["content"]
            for row in rows
            for message in row.get("messages") or row["prompt"]
            if message["role"] == "user"
        ]
        return {re.sub(r" Reply in JSON\.$", "", question) for question in questions}

    heldout = asked("validation", "validation_prompts", "test_prompts")
    assert not asked("train", "train_prompts") & heldout


def test_some_conversations_go_on_after_the_first_answer(folder: Path) -> None:
    rows = [row["messages"] for row in read_jsonl(folder / "train.jsonl")]
    longer = [messages for messages in rows if sum(message["role"] == "user" for message in messages) > 1]
    assert 0.1 < len(longer) / len(rows) < 0.3
    for messages in longer:
        assert sum(len(message["content"]) for message in messages) <= 240
        assert messages[-1]["role"] == "assistant"


def test_styles_and_forms_come_in_their_shares(folder: Path) -> None:
    rows = read_jsonl(folder / "train.jsonl")
    for style in STYLES:
        share = sum(row["style"] == style for row in rows) / len(rows)
        assert share == pytest.approx(getattr(CONFIG, style), abs=0.06)
    able = [row for row in rows if row["exercise"]["labeled"] and not row["exercise"]["tool"]]
    assert sum(row["exercise"]["form"] == "json" for row in able) / len(able) == pytest.approx(0.3, abs=0.06)


def test_families_that_are_not_taught_are_not_asked(tmp_path: Path) -> None:
    config = ConversationConfig(train=60, heldout=5, prompts=20, families=("which", "memory"))
    build_conversations(config, tmp_path / "made", seed=1)
    rows = read_jsonl(tmp_path / "made/train.jsonl") + read_jsonl(tmp_path / "made/train_prompts.jsonl")
    assert {row["exercise"]["family"] for row in rows} == {"which", "memory"}


def test_the_seed_decides(folder: Path, tmp_path: Path) -> None:
    build_conversations(CONFIG, tmp_path / "again", seed=1)
    assert sha256_of(tmp_path / "again") == sha256_of(folder)
    build_conversations(CONFIG, tmp_path / "other", seed=2)
    assert sha256_of(tmp_path / "other") != sha256_of(folder)


def test_a_careful_reply_calls_the_tool_first() -> None:
    exercise = next(exercises("train", 1, ("tool",)))
    call, told, last = reply_messages(exercise, "careful", Random(0))
    assert call["tool_calls"][0]["function"]["arguments"] == {"code": exercise.tool}
    assert told == {"role": "tool", "content": exercise.answer}
    assert last == {"role": "assistant", "content": worked_reply(exercise)}
    assert len(reply_messages(exercise, "hasty", Random(0))) == 1
