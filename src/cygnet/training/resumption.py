"""What a checkpoint of a training run holds, and going on from it: in any number of processes, sharded or not."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from torch import nn
from torch.optim import Optimizer

from cygnet.errors import UserError
from cygnet.training.checkpoint import CheckpointWriter, latest_checkpoint, load_checkpoint
from cygnet.training.distribution import full_state, load_model, load_optimizer
from cygnet.training.randomness import random_state, restore_random
from cygnet.training.work import Work
from cygnet.training.world import World


class Remembers(Protocol):
    """A stage, as far as checkpoints are concerned."""

    def state_dict(self) -> dict[str, Any]:
        """Whatever must survive an interruption."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up again what `state_dict` gave."""
        ...


class Place(NamedTuple):
    """How far a run is: updates done, seconds of training, items learned from."""

    step: int
    seconds: float
    items: float


class Clock:
    """Seconds of training, carried over interruptions."""

    def __init__(self, before: float) -> None:
        self._before, self._started = before, time.monotonic()

    @property
    def seconds(self) -> float:
        """So far."""
        return self._before + time.monotonic() - self._started


def save(
    model: nn.Module,
    optimizers: Sequence[Optimizer],
    stage: Remembers,
    world: World,
    writer: CheckpointWriter,
    place: Place,
) -> None:
    """Have the first process write everything that decides how the run goes on, sharded tensors made whole.

    So a checkpoint is the same whoever wrote it, and any number of processes can take it up.
    """
    state = full_state(
        {"model": model.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in optimizers]}, world
    )
    if world.first:
        rest = {"stage": stage.state_dict(), "random": random_state(), "seconds": place.seconds, "items": place.items}
        writer.save(place.step, {**state, **rest})


def resume(model: nn.Module, optimizers: Sequence[Optimizer], stage: Remembers, work: Work) -> Place:
    """Take up the newest sound checkpoint in `work.checkpoints`; all processes the one that the first finds."""
    found = latest_checkpoint(work.checkpoints) if work.world.first else None
    step = work.world.tell(None if found is None else found[0])
    if step is None:
        return Place(0, 0.0, 0.0)
    state = found[1] if found else _same(work.checkpoints, step)
    load_model(model, state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        load_optimizer(optimizer, saved)
    stage.load_state_dict(state["stage"])
    restore_random(state["random"])
    return Place(step, float(state["seconds"]), float(state["items"]))


def _same(folder: Path, step: int) -> dict[str, Any]:
    state = load_checkpoint(folder, step)
    if state is None:
        raise UserError(f"{folder} has no sound checkpoint of step {step} here: all processes must share that folder.")
    return state
