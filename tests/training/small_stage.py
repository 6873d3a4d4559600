"""A stage that is as small as one can be, for tests of several processes that train it."""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cygnet.tokens.packing import Rows, collate, pack
from cygnet.training.distribution import full, spread
from cygnet.training.loop import Loss, Plan, fit
from cygnet.training.metrics import Metrics
from cygnet.training.optimizers import muon_and_adamw
from cygnet.training.shares import parts
from cygnet.training.work import Work
from cygnet.training.world import World

PLAN = Plan(steps=12, schedule="linear", warmup=2, clip=1.0, checkpoint_every=4, log_every=2)
ROWS = 7  # of which 2 and 4 processes can't have equal shares
Together = Callable[..., list[Any]]


class Reading:
    """Next-token prediction on rows of random documents, which unlike shares of them have unlike counts."""

    name = "reading"
    counts = "tokens"

    def __init__(self, model: nn.Module, work: Work) -> None:
        self.model, self.work = model, work
        self.hook: Callable[[int], None] = lambda step: None

    def micro_batches(self, step: int) -> list[Rows]:
        self.hook(step)
        rng = torch.Generator().manual_seed(step)
        lengths = torch.randint(4, 30, (60,), generator=rng).tolist()
        documents = [torch.randint(8, 300, (length,), generator=rng).tolist() for length in lengths]
        members = [[documents[i] for i in row] for row in pack(lengths, 32)][:ROWS]
        assert len(members) == ROWS
        return [collate(part or [[]], None, 32, 0) for part in parts(members, self.work)]

    def loss(self, batch: Rows) -> Loss:
        logits = self.model.logits(self.model.features(batch.tokens, batch.positions, batch.mask)).flatten(0, 1)
        nats = F.cross_entropy(logits, batch.targets.flatten(), reduction="none") * batch.weights.flatten()
        right = (logits.argmax(-1) == batch.targets.flatten()) * batch.weights.flatten()
        return Loss(nats.sum(), float(batch.weights.sum()), {"accuracy": float(right.sum())})

    def due(self, step: int) -> bool:
        return step % 4 == 0

    def after(self, step: int, metrics: Metrics) -> None:
        with torch.no_grad():
            loss = self.loss(replace_work(self).micro_batches(99)[0])
        metrics.log("eval", step, heldout=loss.total.item() / loss.count)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


def replace_work(stage: Reading) -> Reading:
    """The stage for one process alone."""
    return Reading(stage.model, replace(stage.work, world=World(), rows_at_once=None))


def work_in(folder: Path, world: World, **settings: Any) -> Work:
    return Work(folder / "checkpoints", folder / "metrics.jsonl", 3, 1, progress=False, world=world, **settings)


def numbers(model: nn.Module) -> np.ndarray:
    return torch.cat([full(parameter.detach()).flatten() for parameter in model.parameters()]).numpy()


def trained(world: World, build: Any, folder: Path, plan: Plan = PLAN, stop: int = -1, **settings: Any) -> np.ndarray:
    """Weights after training in a folder; Ctrl-C is pressed in the last process before update `stop`."""
    model = build(depth=2, context_length=32)
    work = work_in(folder, world, **settings)
    spread(model, work)
    stage = Reading(model, work)
    if world.rank == world.size - 1:
        stage.hook = lambda step: os.kill(os.getpid(), signal.SIGINT) if step == stop else None
    fit(model, muon_and_adamw(model, 0.02, 0.01, world), stage, plan, work)
    return numbers(model)


def events(folder: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if "second" not in key} for row in rows]


def same(one: list[dict[str, float]], other: list[dict[str, float]]) -> bool:
    """The same events at the same steps, their numbers within 0.2 %: sums come out in another order, and that grows."""
    places = [[(row.pop("event"), row.pop("step")) for row in rows] for rows in (one, other)]
    assert places[0] == places[1]
    return all(row == pytest.approx(again, rel=2e-3) for row, again in zip(one, other, strict=True))
