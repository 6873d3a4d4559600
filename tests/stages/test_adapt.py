"""Adaptation: a frozen model learns from a few examples."""

from pathlib import Path
from typing import Any

import pytest
import torch

from cygnet import UserError
from cygnet.files import read_jsonl, sha256_of, write_jsonl
from cygnet.model.folder import load_language_model
from cygnet.model.lora import LoraShape, attach
from cygnet.model.transformer import Transformer
from cygnet.stages.adapt import Adapting, adapt
from cygnet.stages.config import AdaptConfig
from cygnet.stages.held_out import token_nats
from cygnet.tokens.chat import render
from cygnet.tokens.tokenizer import Tokenizer
from cygnet.training.metrics import Metrics
from cygnet.training.work import Work

WORK = Work(Path("nowhere"), Path("nowhere"))
SHAPE = LoraShape(2, 4.0, ("q_proj", "down_proj"))
WORDS = ["swan", "it", "what", "or", "def", "is"]


def chat(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def stage(model: Transformer, tokenizer: Tokenizer, inputs: Path, **settings: Any) -> Adapting:
    files = inputs / "conversations/train.jsonl", inputs / "conversations/validation.jsonl"
    return Adapting(model, attach(model, SHAPE), tokenizer, *files, AdaptConfig(**settings), work=WORK)


def predictions(model: Transformer, tokenizer: Tokenizer, row: dict[str, Any]) -> list[bool]:
    """Of each token that the assistant says, whether the model would say it."""
    ids, mask = render(row["messages"], tokenizer)
    said = model(torch.tensor([ids[:-1]]))[0].argmax(-1).tolist()
    return [guess == token for guess, token, mine in zip(said, ids[1:], mask[1:], strict=True) if mine]


def test_a_new_format_is_learned_and_the_model_stays_as_it_is(
    inputs: Path, tmp_path: Path, work: Work, tokenizer: Tokenizer
) -> None:
    before = sha256_of(inputs / "base")
    rows = [chat(word, f"[{word}]") for word in WORDS]
    write_jsonl(tmp_path / "data/train.jsonl", rows)
    config = AdaptConfig(rows_per_step=3, lr=0.05, least_updates=80)
    metrics = adapt(inputs / "base", tmp_path / "data", tmp_path / "adapter", config, work)
    assert sha256_of(inputs / "base") == before
    assert (metrics["examples"], metrics["steps"]) == (6, 80)
    assert metrics["parameters"] == 2 * 4 * 8 * (64 + 64)
    assert 0 < metrics["share_of_parameters"] < 0.2
    assert not {"kept_step", "heldout_loss"} & set(metrics)
    plain, _ = load_language_model(inputs / "base")
    adapted, _ = load_language_model(tmp_path / "adapter")
    right = [correct for row in rows for correct in predictions(adapted, tokenizer, row)]
    wrong = [correct for row in rows for correct in predictions(plain, tokenizer, row)]
    assert sum(right) / len(right) > 0.9
    assert sum(wrong) / len(wrong) < 0.3


def test_training_leaves_every_weight_of_the_base_bit_for_bit(
    inputs: Path, tmp_path: Path, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    models: list[Transformer] = []

    def remember(*arguments: Any) -> Any:
        models.append(arguments[0])
        return attach(*arguments)

    monkeypatch.setattr("cygnet.stages.clamped.attach", remember)
    adapt(inputs / "base", inputs / "conversations", tmp_path / "adapter", AdaptConfig(least_updates=5, epochs=1), work)
    trained = {name.replace(".base.", "."): tensor for name, tensor in models[0].state_dict().items()}
    base, _ = load_language_model(inputs / "base")
    assert all(torch.equal(trained[name], tensor) for name, tensor in base.state_dict().items())


def test_the_loss_is_that_of_all_places_where_something_is_learned(inputs: Path, build, tokenizer: Tokenizer) -> None:
    model = build()
    adapting = stage(model, tokenizer, inputs, rows_per_step=4)
    batches = adapting.micro_batches(0)
    for batch in batches:
        found, wanted = adapting.loss(batch), (token_nats(model, batch) * batch.weights).sum()
        assert found.count == batch.weights.sum() > 0
        assert found.total.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_rows_are_as_long_as_the_longest_example_and_go_through_few_at_a_time(
    inputs: Path, build, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapting = stage(build(), tokenizer, inputs, rows_per_step=5)
    examples = read_jsonl(inputs / "conversations/train.jsonl")
    longest = max(len(render(row["messages"], tokenizer).ids) for row in examples)
    (whole,) = adapting.micro_batches(3)
    assert whole.tokens.shape == (5, longest - 1)
    monkeypatch.setattr("cygnet.stages.adapt._PLACES", 2 * longest)
    parts = adapting.micro_batches(3)
    assert [len(part.tokens) for part in parts] == [2, 2, 1]
    assert torch.equal(torch.cat([part.targets for part in parts]), whole.targets)


def test_there_are_enough_updates_for_few_examples_and_epochs_of_many(inputs: Path, build, tokenizer) -> None:
    few = stage(build(), tokenizer, inputs, least_updates=1000)
    many = stage(build(), tokenizer, inputs, least_updates=1, epochs=6, rows_per_step=2)
    assert few.steps == 1000
    assert many.steps == round(6 * len(many._rows) / 2)


def test_the_adapter_with_the_lowest_held_out_loss_is_kept(
    inputs: Path, build, tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapting = stage(build(), tokenizer, inputs, least_updates=4, epochs=0.1, evaluations=4)
    losses = iter([3.0, 2.0, 1.0, 1.5, 2.5])
    monkeypatch.setattr(adapting, "_heldout_loss", lambda: next(losses))
    metrics = Metrics(tmp_path / "metrics.jsonl", 0)
    for step in range(5):
        for parameter in adapting._adapter.parameters():
            parameter.data.fill_(step)
        adapting.after(step, metrics)
    assert adapting.take_best() == {"heldout_loss": 1.0, "kept_step": 2}
    assert all(bool((parameter == 2).all()) for parameter in adapting._adapter.parameters())


def test_an_adapter_is_no_base(inputs: Path, tmp_path: Path, work: Work) -> None:
    short = AdaptConfig(least_updates=1, epochs=0.01)
    adapt(inputs / "base", inputs / "conversations", tmp_path / "adapter", short, work)
    with pytest.raises(UserError, match="adapter is an adapter itself"):
        adapt(tmp_path / "adapter", inputs / "conversations", tmp_path / "second", short, work)
    assert not (tmp_path / "second").exists()
