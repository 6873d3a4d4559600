"""Whenever a stage is interrupted, it ends bit for bit as if it hadn't been: the weights and every line of metrics.

An interruption here is an exception out of the loop, with nothing saved on the way out; what a killed process does is
tested on a whole run (tests/recipe/test_run.py).
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cygnet.stages.adapt import adapt
from cygnet.stages.config import AdaptConfig, AdapterConfig, PretrainConfig, RewardConfig, RlConfig, SftConfig
from cygnet.stages.pretrain import pretrain
from cygnet.stages.reward import train_reward
from cygnet.stages.rl import train_rl
from cygnet.stages.sft import sft
from cygnet.training import loop
from cygnet.training.checkpoint import latest_checkpoint
from cygnet.training.work import Work

PRETRAIN = PretrainConfig(depth=1, context_length=32, rows_per_step=4, evaluations=2, heldout_rows=4)
SFT = SftConfig(rows_per_step=1, epochs=1.3, evaluations=2, warmup=2)
ADAPT = AdaptConfig(rows_per_step=2, epochs=0.9, evaluations=3, warmup=2)
REWARD = RewardConfig(prompts_per_step=3, epochs=1.5, warmup=2)
RL = RlConfig(
    iterations=8, rollouts=8, minibatches=2, epochs=2, critic_warmup=2, max_new_tokens=10, kl_horizon=20, evaluations=2
)
ADAPTER = AdapterConfig(rank=2, base_precision="nf4")


def gold(row: dict[str, Any], response: str, finished: bool) -> float:
    return len(response) / 100 * finished


# how each stage is run from `inputs` to `out`
STAGES: dict[str, Callable[[Path, Path, Work], dict[str, Any]]] = {
    "pretrain": lambda inputs, out, work: pretrain(inputs / "tokens", inputs / "tokenizer", out, PRETRAIN, work),
    "sft": lambda inputs, out, work: sft(inputs / "base", inputs / "conversations", out, SFT, work),
    "adapt": lambda inputs, out, work: adapt(inputs / "base", inputs / "conversations", out, ADAPT, work),
    "reward": lambda inputs, out, work: train_reward(inputs / "base", inputs / "comparisons", out, REWARD, work),
    "rl": lambda inputs, out, work: train_rl(
        *(inputs / name for name in ("base", "reward", "prompts.jsonl")), out, RL, work, gold, inputs / "prompts.jsonl"
    ),
    "reward, adapter": lambda inputs, out, work: train_reward(
        inputs / "base", inputs / "comparisons", out, REWARD.model_copy(update={"adapter": ADAPTER}), work
    ),
    "rl, adapter": lambda inputs, out, work: train_rl(
        *(inputs / name for name in ("base", "reward", "prompts.jsonl")),
        *(out, RL.model_copy(update={"adapter": ADAPTER}), work, gold, inputs / "prompts.jsonl"),
    ),
}


def run(stage: str, inputs: Path, folder: Path, stop_before: int | None = None) -> dict[str, Any]:
    """Run a stage in a folder; raises ConnectionError before update `stop_before` of this process."""
    work = Work(folder / "checkpoints", folder / "metrics.jsonl", seed=3, threads=1, progress=False)
    done = 0

    def update(*arguments: Any) -> dict[str, float]:
        nonlocal done
        if done == stop_before:
            raise ConnectionError("the power is gone")
        done += 1
        return original(*arguments)

    original = loop.update
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "update", update)
        return STAGES[stage](inputs, folder / "out", work)


def without_clock(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if "second" not in key}


def events(folder: Path) -> list[dict[str, Any]]:
    return [without_clock(json.loads(line)) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def uninterrupted(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, dict]]:
    """The folder and returned metrics of a stage that ran through, made once."""
    made: dict[str, tuple[Path, dict]] = {}

    def get(stage: str) -> tuple[Path, dict]:
        if stage not in made:
            folder = tmp_path_factory.mktemp(stage.replace(", ", "-"))
            made[stage] = folder, run(stage, inputs, folder)
        return made[stage]

    return get


@pytest.mark.parametrize(
    ("stage", "saved", "stops"),
    [
        ("pretrain", 50, [57]),
        ("sft", 20, [23]),
        ("adapt", 40, [45]),
        ("reward", 20, [7, 23]),  # before there is any checkpoint, and after
        ("rl", 20, [20, 5]),  # between two rounds, and (after the resumption) in the middle of one
        ("reward, adapter", 20, [23]),
        ("rl, adapter", 20, [22]),
    ],
)
def test_an_interrupted_stage_ends_as_an_uninterrupted_one(
    inputs: Path, uninterrupted, tmp_path: Path, stage: str, saved: int, stops: list[int]
) -> None:
    for stop in stops:
        with pytest.raises(ConnectionError):
            run(stage, inputs, tmp_path, stop_before=stop)
    found = latest_checkpoint(tmp_path / "checkpoints")
    assert found is not None
    assert found[0] == saved
    metrics = run(stage, inputs, tmp_path)
    straight, expected = uninterrupted(stage)
    assert without_clock(metrics) == without_clock(expected)
    assert events(tmp_path) == events(straight)
    for path in (straight / "out").iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_learns_and_says_what_it_did(uninterrupted, stage: str) -> None:
    folder, metrics = uninterrupted(stage)
    rows = events(folder)
    assert {row["event"] for row in rows} >= {"step", "eval"}
    assert rows[0]["step"] == 0
    evaluations = [row["step"] for row in rows if row["event"] == "eval"]
    assert evaluations[0] == 0
    assert evaluations[-1] == rows[-1]["step"]
    if stage == "pretrain":
        curve = [row["heldout_bits_per_byte"] for row in rows if row["event"] == "eval"]
        assert curve[-1] < 0.7 * curve[0]
        assert metrics["heldout_bits_per_byte"] < 0.7 * curve[0]
    elif stage in ("sft", "adapt"):
        curve = [row["heldout_loss"] for row in rows if row["event"] == "eval"]
        assert metrics["heldout_loss"] == min(curve) < curve[0]
    elif stage.startswith("reward"):
        assert metrics["heldout_pair_accuracy"] > 0.7  # shorter is better: easily learned
    else:
        assert metrics["episodes"] == 64
        assert {"gold_before", "gold_after", "gain_ci95", "reward_before", "reward_after", "kl"} <= set(metrics)
