"""What a checkpoint of a training run holds, and going on from it: in any number of processes, sharded or not."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn
from torch.optim import Optimizer

from cygnet.training.checkpoint import CheckpointWriter, latest_checkpoint
from cygnet.training.distribution import is_sharded, own_rows
from cygnet.training.pieces import Pieces
from cygnet.training.randomness import random_state, restore_random
from cygnet.training.work import Work
from cygnet.training.world import World, refuse_unshared


class Remembers(Protocol):
    """A stage, as far as checkpoints are concerned."""

    def state_dict(self) -> dict[str, Any]:
        """Whatever must survive an interruption."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up again what `state_dict` gave."""
        ...


class Place(NamedTuple):
    """How far a run is: updates done, seconds of training, items learned from, and what is to be logged of updates."""

    step: int
    seconds: float
    items: float
    window: Sequence[dict[str, float]] = ()


class Clock:
    """Seconds of training, carried over interruptions."""

    def __init__(self, before: float) -> None:
        self._before, self._started = before, time.monotonic()

    @property
    def seconds(self) -> float:
        """So far."""
        return self._before + time.monotonic() - self._started


def writer_of(model: nn.Module, work: Work) -> CheckpointWriter:
    """Of a sharded model each process writes what it holds; of others, of which all have everything, the first."""
    together = any(is_sharded(parameter) for parameter in model.parameters())
    return CheckpointWriter(work.checkpoints, work.world if together else World())


def save(
    model: nn.Module,
    optimizers: Sequence[Optimizer],
    stage: Remembers,
    world: World,
    writer: CheckpointWriter,
    place: Place,
) -> None:
    """Have everything written that decides how the run goes on, no tensor of it made whole that isn't.

    Any number of processes can take it up, sharded or not.
    """
    if not world.first and writer.world.size == 1:
        return
    state: dict[str, Any] = {
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }
    if world.first:
        state |= {"stage": stage.state_dict(), "random": random_state(), "place": place._asdict()}
    writer.save(place.step, state)


def resume(model: nn.Module, optimizers: Sequence[Optimizer], stage: Remembers, work: Work) -> Place:
    """Take up the newest sound checkpoint in `work.checkpoints`, all processes the same. See `latest_checkpoint`."""
    refuse_unshared(work.checkpoints, work.world)
    found = latest_checkpoint(work.checkpoints, work.world, work.restart)
    if found is None:
        return Place(0, 0.0, 0.0)
    _, state = found
    load_model(model, state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        load_optimizer(optimizer, saved)
    stage.load_state_dict(state["stage"])
    restore_random(state["random"])
    return Place(**state["place"])


def _placed(saved: Tensor | Pieces, other: Tensor) -> Tensor:
    """What a checkpoint has, sharded as `other` is, if it is: of that, only this process's rows are read."""
    if not is_sharded(other):
        return saved if isinstance(saved, Tensor) else saved.whole()
    from torch.distributed.tensor import DTensor

    assert isinstance(other, DTensor)
    rows = own_rows(other)
    mine = saved[rows.start : rows.stop] if isinstance(saved, Tensor) else saved.rows(rows)
    return DTensor.from_local(
        mine.to(other.device), other.device_mesh, other.placements, shape=other.shape, stride=other.stride()
    )


def load_model(model: nn.Module, state: Mapping[str, Tensor | Pieces]) -> None:
    """A checkpoint's tensors into a model, sharded or not."""
    own = model.state_dict()
    model.load_state_dict({name: _placed(tensor, own[name]) for name, tensor in state.items()})


def load_optimizer(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """What a checkpoint has of an optimizer into it, be its parameters sharded or not."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments = {
        place: {
            name: _placed(value, parameters[place])
            if getattr(value, "shape", None) == parameters[place].shape
            else value
            for name, value in found.items()
        }
        for place, found in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": moments})
