"""A stage in two processes is the stage in one: its events and its model, but for the order of sums."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cygnet.model.folder import load_language_model, load_scalar_model
from cygnet.stages.config import PretrainConfig, RewardConfig, SftConfig
from cygnet.stages.pretrain import pretrain
from cygnet.stages.reward import train_reward
from cygnet.stages.sft import sft
from cygnet.training.work import Work
from cygnet.training.world import World

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

EXACT: dict[str, Any] = {"precision": "float32", "evaluations": 1}
PRETRAIN = PretrainConfig(depth=1, context_length=32, rows_per_step=31, heldout_rows=4, warmup=2, **EXACT)
SFT = SftConfig(rows_per_step=3, epochs=0.3, warmup=2, **EXACT)
REWARD = RewardConfig(prompts_per_step=5, epochs=0.5, warmup=2)

STAGES: dict[str, Callable[[Path, Path, Work], dict[str, Any]]] = {
    "pretrain": lambda inputs, out, work: pretrain(inputs / "tokens", inputs / "tokenizer", out, PRETRAIN, work),
    "sft": lambda inputs, out, work: sft(inputs / "base", inputs / "conversations", out, SFT, work),
    "reward": lambda inputs, out, work: train_reward(inputs / "base", inputs / "comparisons", out, REWARD, work),
}


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


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("settings", [{}, {"sharding": "full", "rows_at_once": 1, "recompute": True}])
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
