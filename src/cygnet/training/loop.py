"""The one optimization loop. A stage brings batches and a loss of sums and counts; the loop does the rest."""

import ctypes
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils import deterministic

from cygnet.errors import UserError
from cygnet.training.distribution import gathered, local, on_device, sum_gradients, usable_by_all
from cygnet.training.interrupts import interrupts
from cygnet.training.metrics import Metrics, Progress
from cygnet.training.randomness import seed_all
from cygnet.training.resumption import Clock, Place, resume, save, writer_of
from cygnet.training.schedule import Schedule, multiplier
from cygnet.training.window import Window
from cygnet.training.work import Work
from cygnet.training.world import World, refuse_strangers

_OVERDUE = 15 * 60.0  # seconds after which a checkpoint is written, whatever the plan
_LOWER = "Lower the learning rate and add --restart: with another rate the stage begins again."


@dataclass(frozen=True)
class Loss:
    """A micro-batch's loss: its sum, how many items the sum is over, and sums to log over the same count.

    Tensors are read once an update, so that a GPU goes on from one micro-batch to the next; all are on one device.
    """

    total: Tensor
    count: float | Tensor
    extras: Mapping[str, float | Tensor]


class Stage(Protocol):
    """What a training stage brings to the loop.

    `micro_batches(step)` must depend only on the seed, the step, the model and `state_dict()`, so that a resumed
    run sees what the uninterrupted one saw.
    """

    name: str
    counts: str  # what a loss is summed over: "tokens" or "prompts"

    def micro_batches(self, step: int) -> Sequence[Any]:
        """This process's share of the batches whose summed gradient makes one update (see `shares.parts`)."""
        ...

    def loss(self, batch: Any) -> Loss:
        """Sum and count over one micro-batch."""
        ...

    def due(self, step: int) -> bool:
        """Whether to look at the model after this many updates, of which the first are 0."""
        ...

    def after(self, step: int, metrics: Metrics) -> None:
        """Called when due, in the first process or, as the plan says, in all: evaluate and log samples."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Whatever else must survive an interruption."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up again what `state_dict` gave."""
        ...


@dataclass(frozen=True)
class Plan:
    """How long to train and how the learning rate moves.

    clip: bound on the gradient norm of each optimizer's parameters (0: none).

    round: updates that belong together, because a stage keeps something from the first for the others. Checkpoints fall
    between rounds, so that it need not be saved.

    together: whether all processes look at the model when that is due, each of them calling the stage's `after` and all
    going forward together, so that a sharded model stays so; if not, the first one does, with all the weights.
    """

    steps: int
    schedule: Schedule
    warmup: int = 0
    clip: float = 0.0
    checkpoint_every: int = 100
    log_every: int = 10
    round: int = 1
    together: bool = False

    def logs(self, done: int) -> bool:
        """Whether a line is logged after `done` updates."""
        return done % self.log_every == 0 or done == self.steps

    def saves(self, done: int, asked: bool) -> bool:
        """Whether a checkpoint is written after `done` updates: since it is due, or was `asked` for, between rounds."""
        due = done % self.checkpoint_every == 0 and done < self.steps
        return (due or asked) and done % self.round == 0


def fit(model: nn.Module, optimizers: Sequence[Optimizer], stage: Stage, plan: Plan, work: Work) -> Metrics:
    """Train to `plan.steps`, resuming from the newest checkpoint in `work.checkpoints`.

    Losses are sums; gradients are summed over all processes and divided by the count over all their micro-batches, so
    how a batch is split does not matter. An interrupted run continues bit for bit. Returns the stage's metrics, which
    are whole in the first process only.

    Raises:
        UserError: when nothing in a batch is to be learned, the loss or a weight is not finite, a checkpoint can't be
            written, or several processes were started that are no world.
        KeyboardInterrupt: on Ctrl-C or SIGTERM, after a checkpoint was written.
    """
    world = work.world
    refuse_strangers(world)
    prepare_machine(work.threads)
    peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    seed_all(work.seed)
    start = resume(model, optimizers, stage, work)
    metrics = Metrics(work.metrics, start.step, written=world.first)
    progress = Progress(stage.name, plan.steps, work.progress and world.first)
    if start.step == 0:
        _look(model, stage, plan, 0, metrics, world)
    clock, window, items = Clock(start.seconds), Window(start.window), start.items
    saved = clock.seconds
    with interrupts() as interrupted, writer_of(model, work) as writer:

        def asks() -> dict[str, float]:
            return {"stop": len(interrupted), "overdue": world.first and clock.seconds - saved > _OVERDUE}

        for step in range(start.step, plan.steps):
            scale = multiplier(step, plan.steps, plan.schedule, plan.warmup)
            _set_lr(optimizers, peaks, scale)
            began = clock.seconds
            values = update(model, optimizers, stage, step, plan.clip, world, asks)
            stopping, overdue = values.pop("stop"), values.pop("overdue")
            window.add(values, clock.seconds - began)
            items += values["count"]
            writer.check()
            done = step + 1
            if plan.logs(done):
                values, rate = window.take()
                values = {**values, f"{stage.counts}_per_second": rate}
                metrics.log(
                    "step", done, lr=scale * peaks[0][0], seconds=clock.seconds, **{stage.counts: items}, **values
                )
                progress.update(done, values)
            _look(model, stage, plan, done, metrics, world)
            if done == plan.steps:  # there is no update after it that would ask
                stopping = world.sums([float(len(interrupted))])[0]
            if plan.saves(done, asked=bool(stopping or overdue)):
                _refuse_broken(model, stage, done, world)
                save(model, optimizers, stage, world, writer, Place(done, clock.seconds, items, window.rows))
                saved = clock.seconds
                if stopping:
                    writer.wait()
                    world.tell()  # the first has written: where one process ends, torchrun ends the others
                    raise KeyboardInterrupt
    _refuse_broken(model, stage, plan.steps, world)
    return metrics


def update(
    model: nn.Module,
    optimizers: Sequence[Optimizer],
    stage: Stage,
    step: int,
    clip: float,
    world: World = World(),  # noqa: B008 - it is frozen, and alone
    asks: Callable[[], dict[str, float]] = dict,
) -> dict[str, float]:
    """One optimizer step; returns the mean loss and extras over all processes, and the count under "count".

    What a process `asks` when it has done its batches comes back summed over all of them: on this occasion, since for
    another each of them would wait until its GPU has nothing left to do.
    """
    found: list[dict[str, float | Tensor]] = []
    for batch in stage.micro_batches(step):
        with _in_order():
            loss = stage.loss(on_device(batch, world.device))
            loss.total.backward()  # type: ignore[no-untyped-call]
        found.append({"loss": loss.total.detach(), "count": loss.count, **loss.extras})
    asked = asks()
    sums = {**_summed(found), **asked}
    sums = dict(zip(sums, world.sums(list(sums.values())), strict=True))
    asked, count = {name: sums.pop(name) for name in asked}, sums.pop("count")
    if count == 0:
        raise UserError(
            f"{stage.name}: step {step} has no token to learn from. Check that answers are not empty or cut off."
        )
    if not math.isfinite(sums["loss"]):
        raise UserError(f"{stage.name}: the loss is not finite at step {step}. {_LOWER}")
    sum_gradients(model.parameters(), world)
    torch._foreach_div_([parameter.grad for parameter in model.parameters() if parameter.grad is not None], count)
    for optimizer in optimizers:
        if clip:
            nn.utils.clip_grad_norm_(
                [parameter for group in optimizer.param_groups for parameter in group["params"]], clip
            )
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return {**{name: value / count for name, value in sums.items()}, "count": count, **asked}


@contextmanager
def _in_order() -> Iterator[None]:
    """Where `prepare_machine` was called, nothing but what adds numbers in one order: what can't is an error.

    Where a warning would do, torch's attention on GPUs takes kernels whose backward pass adds as it comes (torch's
    sdp_utils.cpp and attention_backward.cu), though it has others.
    """
    if not torch.is_deterministic_algorithms_warn_only_enabled():
        yield
        return
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(True, warn_only=True)


def _summed(found: Sequence[dict[str, float | Tensor]]) -> dict[str, float]:
    """What micro-batches gave, added up in their order. A GPU is waited for once, and not after each of them."""
    tensors = [value.double() for one in found for value in one.values() if isinstance(value, Tensor)]
    read = iter(torch.stack(tensors).tolist() if tensors else ())
    sums: dict[str, float] = {"loss": 0.0, "count": 0.0}
    for one in found:
        for name, value in one.items():
            sums[name] = sums.get(name, 0.0) + (next(read) if isinstance(value, Tensor) else value)
    return sums


def prepare_machine(threads: int) -> None:
    """Set threads; add numbers in one order, always; keep freed memory for the next step.

    Compiled code adds an embedding's gradients in the order in which threads arrive unless told not to. What can't be
    done in one order, on some devices, is told by a warning; in an update it is an error.
    """
    torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it NVIDIA's products have no order
    torch.use_deterministic_algorithms(True, warn_only=True)
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # of no use but to find mistakes
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Tell glibc to reuse large blocks instead of returning them to the kernel after every operation."""
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD
    except (OSError, AttributeError):
        return  # another C library: nothing to tune


def _refuse_broken(model: nn.Module, stage: Stage, done: int, world: World) -> None:
    """Raise UserError, in all processes, when a weight is not finite: the next loss would tell, but may be too late."""
    sound = torch.stack([local(parameter.detach()).isfinite().all() for parameter in model.parameters()]).all()
    if world.sums([float(sound)]) != [world.size]:
        raise UserError(f"{stage.name}: weights are not finite after {done} updates. {_LOWER}")


def _set_lr(optimizers: Sequence[Optimizer], peaks: list[list[float]], scale: float) -> None:
    for optimizer, group_peaks in zip(optimizers, peaks, strict=True):
        for group, peak in zip(optimizer.param_groups, group_peaks, strict=True):
            group["lr"] = peak * scale


def _look(model: nn.Module, stage: Stage, plan: Plan, step: int, metrics: Metrics, world: World) -> None:
    """Let the stage look at the model if it is due."""
    if not stage.due(step):
        return
    if plan.together:
        with usable_by_all(model):
            stage.after(step, metrics)
        return
    with gathered(model):
        if world.first:
            stage.after(step, metrics)
        world.tell()  # the others wait here, however long it takes
