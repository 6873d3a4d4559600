"""A stage in two processes is the stage in one: its events and its model, but for the order of sums."""

import json
import os
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from cygnet.model.folder import load_language_model, load_scalar_model
from cygnet.stages.adapt import adapt
from cygnet.stages.config import AdaptConfig, AdapterConfig, PretrainConfig, RewardConfig, RlConfig, SftConfig
from cygnet.stages.pretrain import pretrain
from cygnet.stages.reward import train_reward
from cygnet.stages.rl import train_rl
from cygnet.stages.sft import sft
from cygnet.training import loop
from cygnet.training.checkpoint import latest_checkpoint
from cygnet.training.work import Work
from cygnet.training.world import World

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

EXACT: dict[str, Any] = {"precision": "float32", "evaluations": 1}
PRETRAIN = PretrainConfig(depth=1, context_length=32, rows_per_step=31, heldout_rows=4, warmup=2, **EXACT)
SFT = SftConfig(rows_per_step=3, epochs=0.3, warmup=2, **EXACT)
REWARD = RewardConfig(prompts_per_step=5, epochs=0.5, warmup=2)
ADAPT = AdaptConfig(rank=2, rows_per_step=3, epochs=0.3, least_updates=16, warmup=2, lr=0.03, **EXACT)
RL = RlConfig(
    iterations=3, rollouts=10, minibatches=2, epochs=2, critic_warmup=1, max_new_tokens=10, kl_horizon=20, evaluations=2
)
ADAPTER = AdapterConfig(rank=2, base_precision="nf4")

STAGES: dict[str, Callable[[Path, Path, Work], dict[str, Any]]] = {
    "pretrain": lambda inputs, out, work: pretrain(inputs / "tokens", inputs / "tokenizer", out, PRETRAIN, work),
    "sft": lambda inputs, out, work: sft(inputs / "base", inputs / "conversations", out, SFT, work),
    "adapt": lambda inputs, out, work: adapt(inputs / "base", inputs / "conversations", out, ADAPT, work),
    "reward": lambda inputs, out, work: train_reward(inputs / "base", inputs / "comparisons", out, REWARD, work),
    "rl": lambda inputs, out, work: reinforce(inputs, out, RL, work),
    "rl, adapter": lambda inputs, out, work: reinforce(inputs, out, RL.model_copy(update={"adapter": ADAPTER}), work),
}
SHARDED = {"sharding": "full", "rows_at_once": 1, "recompute": True}


def reinforce(inputs: Path, out: Path, config: RlConfig, work: Work) -> dict[str, Any]:
    prompts = inputs / "prompts.jsonl"
    return train_rl(inputs / "base", inputs / "reward", prompts, out, config, work, heldout=prompts)


def run(stage: str, inputs: Path, folder: Path, world: World, **settings: Any) -> dict[str, Any]:
    work = Work(folder / "checkpoints", folder / "metrics.jsonl", 3, 1, progress=False, world=world, **settings)
    return STAGES[stage](inputs, folder / "out", work)


def numbers(value: Any) -> dict[str, float]:
    """Every number in nested dicts and lists, but for what the clock decides."""
    if isinstance(value, dict):
        found = [(f"{key}/{place}", n) for key, item in value.items() for place, n in numbers(item).items()]
        return {place: number for place, number in found if "second" not in place}
    if isinstance(value, list):
        return numbers(dict(enumerate(value)))
    return {"": float(value)} if isinstance(value, int | float) else {}


def events(folder: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [numbers(row) for row in rows if row["event"] != "sample"]


@pytest.mark.parametrize(
    ("stage", "settings"),
    [
        *((stage, {}) for stage in STAGES),
        *((stage, SHARDED) for stage in ("pretrain", "sft", "reward", "rl")),
        ("adapt", {"rows_at_once": 1, "recompute": True}),
        ("rl, adapter", {"rows_at_once": 2, "recompute": True}),
    ],
)
def test_two_processes_do_what_one_does(together, inputs: Path, tmp_path: Path, stage: str, settings: dict) -> None:
    alone = run(stage, inputs, tmp_path / "one", World())
    first, second = together(2, lambda world: run(stage, inputs, tmp_path / "two", world, **settings))
    assert second == {}
    assert numbers(first) == pytest.approx(numbers(alone), rel=0.01)
    one, two = events(tmp_path / "one"), events(tmp_path / "two")
    assert len(one) == len(two) > 2
    for row, other in zip(one, two, strict=True):
        assert other == pytest.approx(row, rel=0.01)
    load = load_scalar_model if stage == "reward" else load_language_model
    of_one, of_two = (load(tmp_path / folder / "out")[0].state_dict() for folder in ("one", "two"))
    for name, tensor in of_one.items():  # Muon makes as much of directions in which gradients are rounding as of others
        assert (of_two[name] - tensor).norm() < 0.5 * tensor.norm(), name


def stopped(stage: str, inputs: Path, folder: Path, world: World, before: int) -> dict[str, Any]:
    """The stage, and Ctrl-C in the last process before that update."""
    done, original = count(), loop.update

    def update(*arguments: Any) -> dict[str, float]:
        if next(done) == before and world.rank == world.size - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return original(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "update", update)
        return run(stage, inputs, folder, world)


@pytest.mark.parametrize(("stage", "before", "saved"), [("adapt", 9, 10), ("rl", 6, 8), ("rl, adapter", 4, 8)])
def test_an_interrupted_stage_goes_on_bit_for_bit_as_so_many_and_closely_as_others(
    together, inputs: Path, tmp_path: Path, stage: str, before: int, saved: int
) -> None:
    expected, _ = together(2, lambda world: run(stage, inputs, tmp_path / "straight", world))
    for folder in ("again", "alone"):
        errors = together(2, lambda world: stopped(stage, inputs, tmp_path / folder, world, before))  # noqa: B023
        assert [type(error) for error in errors] == [KeyboardInterrupt] * 2
        assert latest_checkpoint(tmp_path / folder / "checkpoints")[0] == saved
    found, _ = together(2, lambda world: run(stage, inputs, tmp_path / "again", world))
    assert numbers(found) == numbers(expected)
    assert events(tmp_path / "again") == events(tmp_path / "straight")
    for path in (tmp_path / "straight/out").iterdir():
        assert (tmp_path / "again/out" / path.name).read_bytes() == path.read_bytes(), path.name

    assert numbers(run(stage, inputs, tmp_path / "alone", World())) == pytest.approx(numbers(expected), rel=0.01)
    for row, other in zip(events(tmp_path / "alone"), events(tmp_path / "straight"), strict=True):
        assert row == pytest.approx(other, rel=0.01)
