import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import AdamW

from cygnet.corpus.tasks import exercises
from cygnet.errors import UserError
from cygnet.files import write_jsonl
from cygnet.model.folder import load_language_model, save_model
from cygnet.model.transformer import Transformer
from cygnet.stages.config import AdapterConfig, SftConfig
from cygnet.stages.held_out import token_nats
from cygnet.stages.sft import FineTuning, read_conversations, sft
from cygnet.tokens.chat import render
from cygnet.tokens.tokenizer import Tokenizer
from cygnet.training.distribution import recomputed, spread
from cygnet.training.loop import Plan
from cygnet.training.optimizers import Muon
from cygnet.training.order import visits
from cygnet.training.work import Work

WORK = Work(Path("nowhere"), Path("nowhere"))
GOOD = {"messages": [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "A swan."}]}


@pytest.fixture
def stage(inputs: Path, language_model: Transformer, tokenizer: Tokenizer) -> FineTuning:
    config = SftConfig(rows_per_step=4, epochs=2.0)
    return FineTuning(language_model, tokenizer, inputs / "conversations/train.jsonl", None, config, work=WORK)


def test_the_loss_is_over_the_assistants_tokens_alone(
    stage: FineTuning, language_model: Transformer, tokenizer: Tokenizer, inputs: Path
) -> None:
    (batch,) = stage.micro_batches(0)
    loss = stage.loss(batch)
    data = read_conversations(inputs / "conversations/train.jsonl", tokenizer, 64)
    nats = count = 0.0
    for row in [stage._rows[index] for index in visits(len(stage._rows), 0, 4, seed=1)]:
        for ids, mask in (data[i] for i in row):
            logprobs = language_model(torch.tensor([ids[:-1]]))[0].detach().log_softmax(-1)
            for place, (token, mine) in enumerate(list(zip(ids, mask, strict=True))[1:]):
                nats -= float(logprobs[place, token]) * mine
                count += mine
    assert loss.count == count
    assert loss.total.item() == pytest.approx(nats, rel=1e-4)


@pytest.fixture
def compiling(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is compiled, from now on, however short the stage; it stays as it is."""
    found: list[object] = []
    monkeypatch.setattr(torch, "compile", lambda function, **_: found.append(function) or function)
    monkeypatch.setattr("cygnet.training.compiling.shutil.which", lambda name: name)
    monkeypatch.setattr("cygnet.training.compiling._REPAID", {"cpu": 0.0})
    return found


def test_compiled_it_is_the_same_loss(
    stage: FineTuning,
    language_model: Transformer,
    tokenizer: Tokenizer,
    inputs: Path,
    compiling: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    def begun(work: Work = WORK, **settings: Any) -> FineTuning:
        config = SftConfig(rows_per_step=4, epochs=2.0, **settings)
        return FineTuning(language_model, tokenizer, inputs / "conversations/train.jsonl", None, config, work)

    (batch,) = stage.micro_batches(0)
    quick = begun()
    assert compiling == [token_nats]
    assert quick.loss(batch).count == stage.loss(batch).count
    torch.testing.assert_close(quick.loss(batch).total, stage.loss(batch).total)
    with torch.no_grad():
        assert quick.loss(batch).total.item() == stage.loss(batch).total.item()  # held out, it is as it is
    begun(compile="never")
    begun(adapter=AdapterConfig(rank=2))
    monkeypatch.setattr("cygnet.stages.predictions._AT_ONCE", 4 * 64 * 300 - 1)
    begun()
    assert len(compiling) == 1
    begun(replace(WORK, rows_at_once=3))
    assert len(compiling) == 2


def test_rows_are_as_long_as_the_conversations_not_as_the_context(build, tmp_path: Path, tokenizer: Tokenizer) -> None:
    def said(*words: int) -> list[dict]:
        return [{"messages": [{"role": "assistant", "content": "1" * count}]} for count in words]

    def stage(train: list[dict], context_length: int = 4096, **settings: Any) -> FineTuning:
        write_jsonl(tmp_path / "train.jsonl", train)
        write_jsonl(tmp_path / "validation.jsonl", said(700))
        config, model = SftConfig(rows_per_step=4, **settings), build(depth=1, context_length=context_length)
        return FineTuning(model, tokenizer, tmp_path / "train.jsonl", tmp_path / "validation.jsonl", config, work=WORK)

    short, long = stage(said(*[40] * 100)), stage(said(300, *[40] * 99), epochs=3)
    assert (short.steps, len(short._rows)) == (4, 17)  # six in a row of 256
    assert {batch.tokens.shape for step in range(4) for batch in short.micro_batches(step)} == {(4, 256)}
    assert {batch.tokens.shape for step in range(long.steps) for batch in long.micro_batches(step)} == {(4, 320)}
    in_less = stage(said(*[40] * 100), context_length=703)
    (some,), (same) = short.micro_batches(0), in_less.micro_batches(0)[0]
    assert all(torch.equal(a, b) for a, b in zip(some, same, strict=True))
    assert short._heldout_loss() == pytest.approx(in_less._heldout_loss(), rel=1e-5)
    with pytest.raises(UserError, match="303 tokens, but the model reads 256"):
        stage(said(300), context_length=256)


def test_what_is_held_out_is_read_so_many_rows_at_once(build, inputs: Path, tokenizer: Tokenizer) -> None:
    model, shapes, found = build(), [], []
    model.model.register_forward_pre_hook(lambda _, given: shapes.append(len(given[0])))
    for work, most in ((WORK, 16), (replace(WORK, rows_at_once=2), 2)):
        files = (inputs / "conversations/train.jsonl", inputs / "conversations/train.jsonl")
        found.append(FineTuning(model, tokenizer, *files, SftConfig(), work)._heldout_loss())
        assert max(shapes) == most
        shapes.clear()
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_recomputed_its_layers_are_compiled_whatever_the_vocabulary(
    stage: FineTuning,
    language_model: Transformer,
    tokenizer: Tokenizer,
    inputs: Path,
    compiling: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No more logits are made for it than without."""
    monkeypatch.setattr("cygnet.stages.predictions._AT_ONCE", 1)
    (batch,) = stage.micro_batches(0)
    expected = stage.loss(batch)
    model, work = deepcopy(language_model), replace(WORK, recompute=True)
    spread(model, work)
    data, config = inputs / "conversations/train.jsonl", SftConfig(rows_per_step=4, epochs=2.0)
    FineTuning(model, tokenizer, data, None, config.model_copy(update={"compile": "never"}), work)
    assert compiling == []
    quick = FineTuning(model, tokenizer, data, None, config, work)
    assert compiling == [recomputed]
    read: list[int] = []
    logits = model.logits
    model.logits = lambda features: (read.append(len(features)), logits(features))[1]
    found = quick.loss(batch)
    assert sum(read) == found.count == expected.count
    torch.testing.assert_close(found.total, expected.total)


def test_every_conversation_is_read_and_the_second_epoch_is_in_another_order(stage: FineTuning) -> None:
    assert sorted(i for row in stage._rows for i in row) == list(range(120))
    rows = len(stage._rows)
    assert stage.steps == round(2 * rows / 4)
    firsts = [stage.micro_batches(step)[0].tokens[:, :8].tolist() for step in range(stage.steps)]
    half = rows // 4
    assert firsts[:half] != firsts[half : 2 * half]


def test_other_text_in_the_prompt_leaves_the_loss_to_the_answer(tmp_path: Path, tokenizer: Tokenizer) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [GOOD])
    (item,) = read_conversations(tmp_path / "rows.jsonl", tokenizer, 64)
    assert item == render(GOOD["messages"], tokenizer)
    assert sum(item.mask) == len(tokenizer.encode("A swan.")) + 1


def test_of_a_text_and_its_completion_the_completion_is_learned(tmp_path: Path, tokenizer: Tokenizer) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [{"prompt": "What is it? ", "completion": "A swan."}])
    (item,) = read_conversations(tmp_path / "rows.jsonl", tokenizer, 64)
    own = [*tokenizer.encode("A swan."), tokenizer.end_id]
    assert item.ids == [*tokenizer.start, *tokenizer.encode("What is it? "), *own]
    assert item.mask == [False] * (len(item.ids) - len(own)) + [True] * len(own)


def test_a_completion_goes_on_where_the_text_ends(tmp_path: Path, pieces: Tokenizer) -> None:
    """SentencePiece puts a space before a text, but not into the middle of one."""
    write_jsonl(tmp_path / "rows.jsonl", [{"prompt": "What is", "completion": "n't it?"}])
    (item,) = read_conversations(tmp_path / "rows.jsonl", pieces, 64)
    assert item.ids[:1] == pieces.start
    assert pieces.decode(item.ids[1:-1], begins=True) == "What isn't it?"
    assert pieces.decode([token for token, own in zip(*item, strict=True) if own]) == "n't it?</s>"


def test_a_model_learns_what_it_is_shown(inputs: Path, tmp_path: Path, work: Work, tokenizer: Tokenizer) -> None:
    write_jsonl(tmp_path / "data/train.jsonl", [GOOD] * 200)
    metrics = sft(inputs / "base", tmp_path / "data", tmp_path / "sft", SftConfig(rows_per_step=2), work)
    assert metrics["conversations"] == 200
    assert "heldout_loss" not in metrics
    model, _ = load_language_model(tmp_path / "sft")
    ids, mask = render(GOOD["messages"], tokenizer)
    predicted = model(torch.tensor([ids[:-1]]))[0].argmax(-1).tolist()
    assert all(guess == token for guess, token, mine in zip(predicted, ids[1:], mask[1:], strict=True) if mine)


def test_a_model_from_elsewhere_goes_on_with_adamw(
    build, inputs: Path, tmp_path: Path, work: Work, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[list[tuple[type, float, int]], float]] = []

    def fit(_model: object, optimizers: Any, _stage: object, plan: Plan, _work: object) -> None:
        groups = [(type(one), one.param_groups[0]) for one in optimizers]
        found.append(([(kind, group["lr"], len(group["params"])) for kind, group in groups], plan.clip))
        raise KeyboardInterrupt

    def begin(base: Path, **settings: Any) -> None:
        with pytest.raises(KeyboardInterrupt):
            sft(base, inputs / "conversations", tmp_path / "sft", SftConfig(rows_per_step=4, **settings), work)

    monkeypatch.setattr("cygnet.stages.sft.fit", fit)
    elsewhere = build(ffn_width=160)
    save_model(tmp_path / "elsewhere", elsewhere, tokenizer)
    begin(inputs / "base")
    begin(tmp_path / "elsewhere")
    begin(tmp_path / "elsewhere", imported_lr=0.002)
    (own, own_clip), (theirs, clip), (faster, _) = found
    assert [kind for kind, _, _ in own] == [Muon, AdamW]
    assert own[0][1] == 0.01 * 0.5
    assert theirs == [(AdamW, pytest.approx(1e-3 * 0.5 * 2**0.5), len(list(elsewhere.parameters())))]
    assert faster[0][1] == pytest.approx(2 * theirs[0][1])
    assert (own_clip, clip) == (0.0, 1.0)
    with pytest.raises(UserError, match="matrix_lr: no effect on a model that was not pretrained here"):
        begin(tmp_path / "elsewhere", matrix_lr=0.005)
    with pytest.raises(UserError, match="imported_lr: no effect on a model that was pretrained here, which learns at"):
        begin(inputs / "base", imported_lr=0.002)
    with pytest.raises(UserError, match="matrix_lr and imported_lr: no effect on an adapter, which learns at other_lr"):
        begin(inputs / "base", adapter=AdapterConfig(rank=2), matrix_lr=0.005, imported_lr=0.002)


def test_exercises_among_the_heldout_are_answered_and_counted(
    build, tmp_path: Path, work: Work, tokenizer: Tokenizer
) -> None:
    save_model(tmp_path / "base", build(depth=1, context_length=256), tokenizer)
    source = exercises("validation", 1, ("addition", "which"))
    rows = [{**GOOD, "exercise": next(source).to_json()} for _ in range(10)]
    plain = {"prompt": "What is it? ", "completion": "A swan.", "exercise": None}
    write_jsonl(tmp_path / "data/train.jsonl", [GOOD] * 20)
    write_jsonl(tmp_path / "data/validation.jsonl", [rows[0], plain, *rows[1:]])
    metrics = sft(tmp_path / "base", tmp_path / "data", tmp_path / "sft", SftConfig(evaluations=1), work)
    assert metrics["heldout_task_accuracy"] == 0
    assert set(metrics["by_family"]) == {row["exercise"]["family"] for row in rows}
    events = [json.loads(line) for line in work.metrics.read_text().splitlines()]
    assert sum(event["event"] == "sample" for event in events) == 2 * 6


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "hello"}, r'expected {"messages": \[\.\.\.\]}, or .*; found the keys text\.'),
        ({"prompt": "hello", "completion": None}, "found the keys prompt, completion"),
        ({"prompt": "hello", "completion": ""}, "the assistant says nothing"),
        ({"messages": "hello"}, "expected a list of messages"),
        ({"messages": ["hello"]}, "expected a list of messages"),
        ({"messages": [{"role": "robot", "content": "beep"}]}, "unknown role 'robot'"),
        ({"messages": [{"role": "assistant", "content": None}]}, "must be text, not NoneType"),
        ({"messages": GOOD["messages"][:1]}, "the assistant says nothing, so there is nothing to learn"),
        ({"messages": GOOD["messages"] * 10}, r"\d+ tokens, but the model reads 64\. Shorten it"),
    ],
)
def test_a_malformed_conversation_is_named(tmp_path: Path, tokenizer: Tokenizer, row: dict, message: str) -> None:
    write_jsonl(tmp_path / "chats.jsonl", [GOOD, row])
    with pytest.raises(UserError, match=rf"chats\.jsonl, row 2: .*{message}"):
        read_conversations(tmp_path / "chats.jsonl", tokenizer, 64)


def test_a_conversation_may_fill_the_context_to_the_last_place(tmp_path: Path, tokenizer: Tokenizer) -> None:
    def conversation(words: int) -> dict:
        return {"messages": [{"role": "assistant", "content": "1" * words}]}

    write_jsonl(tmp_path / "chats.jsonl", [conversation(61)])
    (item,) = read_conversations(tmp_path / "chats.jsonl", tokenizer, 64)
    assert len(item.ids) == 64
    write_jsonl(tmp_path / "chats.jsonl", [conversation(63)])
    with pytest.raises(UserError, match="66 tokens"):
        read_conversations(tmp_path / "chats.jsonl", tokenizer, 64)
