from collections.abc import Sequence
from pathlib import Path

import pytest

from cygnet.corpus.tasks import Exercise, exercises
from cygnet.errors import UserError
from cygnet.files import read_json, read_jsonl, write_json, write_jsonl
from cygnet.model.folder import save_model
from cygnet.stages.comparisons import build_comparisons
from cygnet.stages.config import ComparisonConfig
from cygnet.stages.ranked_answers import read_comparisons
from cygnet.tokens.chat import render_prompt, response_text
from cygnet.tokens.tokenizer import Tokenizer
from cygnet.training.work import Work

CONFIG = ComparisonConfig(prompts=6, heldout=3, answers=4, max_new_tokens=8)


def by_length(exercise: Exercise, answers: Sequence[tuple[str, bool]]) -> tuple[list[int], list[float]]:
    """The shorter the better; equally short answers tie."""
    scores = [-float(len(text)) for text, _ in answers]
    return [1 + sum(other > score for other in scores) for score in scores], scores


@pytest.fixture
def made(build, tokenizer: Tokenizer, tmp_path: Path, work: Work) -> Path:
    save_model(tmp_path / "sft", build(context_length=128), tokenizer)
    for split in ("train", "validation"):
        source = exercises(split, 1, ("which",))
        rows = []
        for _ in range(10):
            exercise = next(source)
            rows.append({"prompt": [{"role": "user", "content": exercise.prompt}], "exercise": exercise.to_json()})
        write_jsonl(tmp_path / f"prompts/{split}_prompts.jsonl", rows)
    metrics = build_comparisons(tmp_path / "sft", tmp_path / "prompts", tmp_path / "made", CONFIG, by_length, work)
    (tmp_path / "pairs").write_text(f"{metrics['comparisons']} {metrics['heldout_comparisons']}")
    return tmp_path


def test_every_prompt_has_k_answers_as_sampled_and_ranked(made: Path, tokenizer: Tokenizer) -> None:
    pairs = []
    for split, size in (("train", 6), ("heldout", 3)):
        rows = read_jsonl(made / f"made/{split}.jsonl")
        assert len(rows) == size
        for row in rows:
            assert [len(row[key]) for key in ("responses", "tokens", "finished", "ranks", "scores")] == [4] * 5
            assert len(set(row["responses"])) > 1
            assert [response_text(ids, tokenizer) for ids in row["tokens"]] == row["responses"]
            assert [ids[-1] == tokenizer.end_id for ids in row["tokens"]] == row["finished"]
            answers = list(zip(row["responses"], row["finished"], strict=True))
            assert (row["ranks"], row["scores"]) == by_length(Exercise.from_json(row["exercise"]), answers)
        pairs.append(sum(a < b for row in rows for a in row["ranks"] for b in row["ranks"]))
    assert (made / "pairs").read_text() == f"{pairs[0]} {pairs[1]}"


def test_the_reward_model_reads_the_very_tokens_that_were_sampled(made: Path, tokenizer: Tokenizer) -> None:
    rows = read_jsonl(made / "made/train.jsonl")
    for row, item in zip(rows, read_comparisons(made / "made/train.jsonl", tokenizer, 128), strict=True):
        prompt = render_prompt(row["prompt"], tokenizer)
        assert item.sequences == [[*prompt, *ids] for ids in row["tokens"]]
        assert list(item.ranks) == row["ranks"]


def test_train_and_heldout_share_no_prompt(made: Path) -> None:
    train, heldout = (
        {row["prompt"][0]["content"] for row in read_jsonl(made / f"made/{split}.jsonl")}
        for split in ("train", "heldout")
    )
    assert not train & heldout


def test_the_seed_decides(made: Path, work: Work) -> None:
    again = made / "again"
    build_comparisons(made / "sft", made / "prompts", again, CONFIG, by_length, work)
    assert (again / "train.jsonl").read_bytes() == (made / "made/train.jsonl").read_bytes()


def test_answers_that_no_tokens_spell_exactly_are_taken_as_texts(tmp_path: Path, pieces: Tokenizer) -> None:
    """To SentencePiece a ▁ is a space. Only of tokens that come with a text is it asked whether they spell it."""
    (tmp_path / "model").mkdir()
    pieces.save(tmp_path / "model")
    config = read_json(tmp_path / "model/tokenizer_config.json")
    write_json(tmp_path / "model/tokenizer_config.json", {**config, "chat_template": "{{ messages[0].content }}:"})
    tokenizer = Tokenizer.load(tmp_path / "model")
    row = {"prompt": [{"role": "user", "content": "It"}], "responses": ["a▁b", "c"], "ranks": [1, 2]}
    write_jsonl(tmp_path / "rows.jsonl", [row])
    [found] = read_comparisons(tmp_path / "rows.jsonl", tokenizer, 64)
    assert tokenizer.decode(found.sequences[0], begins=True) == "It:a b</s>"
    tokens = [[*tokenizer.encode(text), tokenizer.end_id] for text in ("a b", "d")]
    write_jsonl(tmp_path / "rows.jsonl", [{**row, "responses": ["a b", "c"], "tokens": tokens}])
    with pytest.raises(UserError, match="do not spell its responses"):
        read_comparisons(tmp_path / "rows.jsonl", tokenizer, 64)
