"""Each stage can train an adapter instead of the model, on a base in any precision, and what it writes opens."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from cygnet import UserError
from cygnet.files import sha256_of
from cygnet.model.config import BasePrecision
from cygnet.model.folder import (
    load_clamped_language_model,
    load_language_model,
    load_model,
    load_scalar_model,
    save_model,
)
from cygnet.model.kind import is_adapter
from cygnet.model.lora import attach, twin
from cygnet.model.transformer import ScalarModel
from cygnet.stages.adapt import adapt
from cygnet.stages.config import AdaptConfig, AdapterConfig, RewardConfig, RlConfig, SftConfig
from cygnet.stages.reward import train_reward
from cygnet.stages.rl import train_rl
from cygnet.stages.rl_models import open_models
from cygnet.stages.sft import sft
from cygnet.training.work import Work

TOKENS = torch.randint(3, 280, (2, 40), generator=torch.Generator().manual_seed(0))
RL = {"iterations": 2, "rollouts": 8, "minibatches": 2, "critic_warmup": 0, "max_new_tokens": 8}


def adapter(precision: str = "nf4", **settings: Any) -> AdapterConfig:
    return AdapterConfig.model_validate({"rank": 4, "base_precision": precision, **settings})


def scores(folder: Path) -> torch.Tensor:
    with torch.no_grad():
        return load_scalar_model(folder)[0](TOKENS)


@pytest.mark.parametrize("precision", get_args(BasePrecision))
def test_fine_tuning_learns_and_leaves_the_base_alone(inputs: Path, tmp_path: Path, work: Work, precision: str) -> None:
    before = sha256_of(inputs / "base")
    config = SftConfig(epochs=4, rows_per_step=4, evaluations=1, other_lr=0.01, adapter=adapter(precision))
    sft(inputs / "base", inputs / "conversations", tmp_path / "out", config, work)
    from cygnet.files import read_jsonl

    losses = [row["loss"] for row in read_jsonl(work.metrics) if row["event"] == "step"]
    assert losses[-1] < 0.9 * losses[0]
    assert sha256_of(inputs / "base") == before
    assert is_adapter(tmp_path / "out")
    with torch.no_grad():
        adapted, plain = (load_language_model(folder)[0](TOKENS) for folder in (tmp_path / "out", inputs / "base"))
    assert (adapted - plain).abs().max() > 0.05


def test_a_base_in_few_bits_says_nearly_what_it_said(inputs: Path) -> None:
    whole, _ = load_language_model(inputs / "base")
    with torch.no_grad():
        said = whole(TOKENS)
        for precision, near in (("float32", 0.0), ("bfloat16", 0.01), ("int8", 0.02), ("nf4", 0.3)):
            model, _ = load_clamped_language_model(inputs / "base", precision)
            off = (model(TOKENS) - said).abs().mean() / said.std()
            assert off <= near, (precision, float(off))
            assert not any(parameter.requires_grad for parameter in model.parameters())


def test_a_reward_model_is_an_adapter_with_a_head(inputs: Path, tmp_path: Path, work: Work) -> None:
    config = RewardConfig(epochs=1, prompts_per_step=4, adapter=adapter())
    metrics = train_reward(inputs / "base", inputs / "comparisons", tmp_path / "out", config, work)
    opened, _ = load_scalar_model(tmp_path / "out")
    assert (opened.mean, opened.scale) == (metrics["mean"], metrics["scale"])
    assert isinstance(load_model(tmp_path / "out")[0], ScalarModel)
    with pytest.raises(UserError, match="out adapts no language model"):
        load_language_model(tmp_path / "out")


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
def test_peft_opens_a_reward_model_too(inputs: Path, tmp_path: Path, work: Work) -> None:
    peft, transformers = pytest.importorskip("peft"), pytest.importorskip("transformers")
    config = RewardConfig(epochs=1, prompts_per_step=4, adapter=adapter("float32"))
    train_reward(inputs / "base", inputs / "comparisons", tmp_path / "out", config, work)
    ours, _ = load_scalar_model(tmp_path / "out")
    kind = transformers.AutoModelForSequenceClassification
    base = kind.from_pretrained(inputs / "base", num_labels=1, dtype=torch.float32)
    theirs = peft.PeftModel.from_pretrained(base, tmp_path / "out").eval()
    with torch.no_grad():
        found = theirs(TOKENS).logits[:, 0]
        torch.testing.assert_close(found, ours(TOKENS)[:, -1], atol=1e-4, rtol=1e-4)
    theirs.save_pretrained(tmp_path / "again")
    torch.testing.assert_close(scores(tmp_path / "again"), scores(tmp_path / "out"))


def test_reinforcement_moves_the_policy_alone(inputs: Path, tmp_path: Path, work: Work) -> None:
    config = RlConfig(**RL, evaluations=1, lr=0.01, adapter=adapter())
    train_rl(inputs / "base", inputs / "reward", inputs / "prompts.jsonl", tmp_path / "out", config, work)
    assert is_adapter(tmp_path / "out")
    with torch.no_grad():
        tuned, plain = (load_language_model(folder)[0](TOKENS) for folder in (tmp_path / "out", inputs / "base"))
    assert (tuned - plain).abs().max() > 1e-3


def test_four_models_of_reinforcement_are_in_memory_once(inputs: Path, tmp_path: Path, work: Work) -> None:
    config = RewardConfig(epochs=1, prompts_per_step=4, adapter=adapter())
    train_reward(inputs / "base", inputs / "comparisons", tmp_path / "reward", config, work)
    models = open_models(inputs / "base", tmp_path / "reward", RlConfig(**RL, adapter=adapter()), work)
    whole = (models.policy, models.critic, models.reference, models.reward_model)
    codes = {buffer.data_ptr() for model in whole for name, buffer in model.named_buffers() if name.endswith("codes")}
    own = [name for name, _ in models.reference.named_buffers() if name.endswith("codes")]
    assert len(codes) == len(own)
    learning = {id(parameter) for parameter in models.trained.parameters()}
    assert learning == {id(it) for model in whole for it in model.parameters() if it.requires_grad}
    with torch.no_grad():
        assert torch.equal(models.policy(TOKENS), models.reference(TOKENS))
        assert torch.equal(models.critic(TOKENS), models.reward_model(TOKENS))
        before = models.reference(TOKENS), models.reward_model(TOKENS)
        for parameter in models.trained.parameters():
            parameter.add_(0.1)
        assert torch.equal(models.reference(TOKENS), before[0])
        assert torch.equal(models.reward_model(TOKENS), before[1])
        assert not torch.equal(models.policy(TOKENS), before[0])
        assert not torch.equal(models.critic(TOKENS), before[1])


@pytest.mark.parametrize("adapted", [True, False])
def test_an_adapters_base_is_hashed_once(
    inputs: Path, tmp_path: Path, work: Work, build, monkeypatch: pytest.MonkeyPatch, adapted: bool
) -> None:
    """Whether the whole policy learns, or an adapter: a reward model's base is asked about several times."""
    base = shutil.copytree(inputs / "base", tmp_path / "base")  # nobody has asked for this one
    config = RewardConfig(epochs=1, prompts_per_step=4, adapter=adapter())
    hashed: list[Path] = []

    def remember(file: Path) -> str:
        hashed.append(file)
        return sha256_of(file)

    monkeypatch.setattr("cygnet.model.weights.sha256_of", remember)
    train_reward(base, inputs / "comparisons", tmp_path / "reward", config, work)
    again = replace(work, checkpoints=tmp_path / "again", metrics=tmp_path / "again.jsonl")
    settings = RlConfig(**RL, adapter=adapter()) if adapted else RlConfig(**RL)
    train_rl(base, tmp_path / "reward", inputs / "prompts.jsonl", tmp_path / "out", settings, again)
    assert hashed == [base / "model.safetensors"]
    save_model(base, build(seed=5), load_language_model(base)[1])
    with pytest.raises(UserError, match="base, whose weights are others by now"):
        open_models(base, tmp_path / "reward", settings, work)


def test_a_twin_shares_every_tensor(build) -> None:
    model = build()
    other = twin(model)
    assert [it.data_ptr() for it in model.parameters()] == [it.data_ptr() for it in other.parameters()]
    from cygnet.model.lora import LoraShape

    attach(other, LoraShape(2, 4.0, ("q_proj",)))
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in build().named_parameters()]


def test_an_adapters_base_is_not_sharded_nor_an_adapter(inputs: Path, tmp_path: Path, work: Work) -> None:
    config, sharded = SftConfig(epochs=0.1, rows_per_step=2, adapter=adapter()), replace(work, sharding="full")
    with pytest.raises(UserError, match="base of an adapter is not sharded"):
        sft(inputs / "base", inputs / "conversations", tmp_path / "out", config, sharded)
    with pytest.raises(UserError, match="base of an adapter is not sharded"):
        adapt(inputs / "base", inputs / "conversations", tmp_path / "out", AdaptConfig(), sharded)
    sft(inputs / "base", inputs / "conversations", tmp_path / "out", config, work)
    with pytest.raises(UserError, match="is an adapter itself. Adapt its base, or merge the two: cygnet export"):
        sft(tmp_path / "out", inputs / "conversations", tmp_path / "second", config, work)
