"""Every stage trains on a GPU as on the CPU: a pretended one, on which mixing devices is an error (pretended_gpu)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pretended_gpu import pretended_gpu

from cygnet.stages.adapt import adapt
from cygnet.stages.config import AdaptConfig, AdapterConfig, PretrainConfig, RewardConfig, RlConfig, SftConfig
from cygnet.stages.pretrain import pretrain
from cygnet.stages.reward import train_reward
from cygnet.stages.rl import train_rl
from cygnet.stages.sft import sft
from cygnet.training.work import Work
from cygnet.training.world import World

FLOAT32 = {"precision": "float32"}  # bfloat16's attention has another way on CPUs
PRETRAIN = PretrainConfig(depth=1, context_length=32, rows_per_step=250, evaluations=1, heldout_rows=4, **FLOAT32)
SFT = SftConfig(rows_per_step=2, epochs=0.1, evaluations=1, **FLOAT32)
ADAPT = AdaptConfig(rows_per_step=4, epochs=0.1, least_updates=2, evaluations=1, **FLOAT32)
REWARD = RewardConfig(prompts_per_step=6, epochs=0.2)
RL = RlConfig(iterations=2, rollouts=8, minibatches=2, critic_warmup=1, max_new_tokens=10, evaluations=1)


def gold(row: dict[str, Any], response: str, finished: bool) -> float:
    return len(response) / 100 * finished


def with_adapter(config: Any, precision: str) -> Any:
    return config.model_copy(update={"adapter": AdapterConfig(rank=2, base_precision=precision)})


Run = Callable[[Path, Path, Work], dict[str, Any]]


def _sft(config: SftConfig) -> Run:
    return lambda inputs, out, work: sft(inputs / "base", inputs / "conversations", out, config, work)


def _reward(config: RewardConfig) -> Run:
    return lambda inputs, out, work: train_reward(inputs / "base", inputs / "comparisons", out, config, work)


def _rl(config: RlConfig) -> Run:
    return lambda inputs, out, work: train_rl(
        *(inputs / name for name in ("base", "reward", "prompts.jsonl")),
        *(out, config, work, gold, inputs / "prompts.jsonl"),
    )


STAGES: dict[str, Run] = {
    "pretrain": lambda inputs, out, work: pretrain(inputs / "tokens", inputs / "tokenizer", out, PRETRAIN, work),
    "sft": _sft(SFT),
    "adapt": lambda inputs, out, work: adapt(inputs / "base", inputs / "conversations", out, ADAPT, work),
    "reward": _reward(REWARD),
    "rl": _rl(RL),
    "sft, adapter in int8": _sft(with_adapter(SFT, "int8")),
    "rl, adapter in nf4": _rl(with_adapter(RL, "nf4")),
}


def told(stage: str, inputs: Path, folder: Path, **work: Any) -> list[dict[str, Any]]:
    """A stage's events in a folder, without what a clock says."""
    STAGES[stage](inputs, folder / "out", Work(folder / "at", folder / "metrics.jsonl", 3, 1, progress=False, **work))
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if "second" not in name} for row in rows]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_does_there_what_it_does_here(inputs: Path, tmp_path: Path, stage: str) -> None:
    """And from one micro-batch to the next nobody waits for it: what there is to wait for comes before or after."""
    at_once = 100 if stage == "pretrain" else 3
    here = told(stage, inputs, tmp_path / "here", rows_at_once=at_once)
    with pretended_gpu() as gpu:
        there = told(stage, inputs, tmp_path / "there", world=World(device="cuda:0"), rows_at_once=at_once)
    assert there == here
    assert "training/loop.py:_summed" in gpu.waits or "reward" in stage
    assert not set(gpu.waits) & {"training/loop.py:update", "stages/rl.py:loss", "stages/reward.py:_differences"}
