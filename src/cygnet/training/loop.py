"""The one optimization loop. A stage brings batches and a loss of sums and counts; the loop does the rest."""

import ctypes
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cygnet.errors import UserError
from cygnet.training.checkpoint import latest_checkpoint, save_checkpoint
from cygnet.training.metrics import Metrics, Progress
from cygnet.training.schedule import Schedule, multiplier
from cygnet.training.work import Work


@dataclass(frozen=True)
class Loss:
    """A micro-batch's loss: its sum, how many items the sum is over, and sums to log over the same count."""

    total: Tensor
    count: float
    extras: dict[str, float]


class Stage(Protocol):
    """What a training stage brings to the loop.

    `micro_batches(step)` must depend only on the seed, the step, the model and `state_dict()`, so that a resumed
    run sees what the uninterrupted one saw.
    """

    name: str
    counts: str  # what a loss is summed over: "tokens" or "prompts"

    def micro_batches(self, step: int) -> Sequence[Any]:
        """The batches whose summed gradient makes one update."""
        ...

    def loss(self, batch: Any) -> Loss:
        """Sum and count over one micro-batch."""
        ...

    def after(self, step: int, metrics: Metrics) -> None:
        """Called with the number of updates done: evaluate and log samples when due. Called once with 0."""
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

    clip: bound on the gradient norm of each optimizer's parameters (0: none). Checkpoints fall on log lines, so that
    neither the means being logged nor what a stage holds in between has to be saved.
    """

    steps: int
    schedule: Schedule
    warmup: int = 0
    clip: float = 0.0
    checkpoint_every: int = 100
    log_every: int = 10

    def logs(self, done: int) -> bool:
        """Whether a line is logged after `done` updates."""
        return done % self.log_every == 0 or done == self.steps

    def saves(self, done: int) -> bool:
        """Whether a checkpoint is due after `done` updates."""
        every = -(-self.checkpoint_every // self.log_every) * self.log_every
        return done % every == 0 and done < self.steps


def fit(model: nn.Module, optimizers: Sequence[Optimizer], stage: Stage, plan: Plan, work: Work) -> Metrics:
    """Train to `plan.steps`, resuming from the newest checkpoint in `work.checkpoints`.

    Losses are sums; gradients are divided by the count over all micro-batches, so how a batch is split does not
    matter. An interrupted run continues bit for bit. Returns the stage's metrics.

    Raises:
        UserError: when nothing in a batch is to be learned, the loss is not finite, or several ranks were started.
        KeyboardInterrupt: on Ctrl-C, after a checkpoint was written.
    """
    prepare_machine(work.threads)
    peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    torch.manual_seed(work.seed)
    start, seconds, items = _resume(model, optimizers, stage, work)
    metrics = Metrics(work.metrics, start)
    progress = Progress(stage.name, plan.steps, work.progress)
    if start == 0:
        stage.after(0, metrics)
    clock = _Clock(seconds)
    window = _Window(seconds)
    with _interrupt_between_steps() as interrupted:
        for step in range(start, plan.steps):
            scale = multiplier(step, plan.steps, plan.schedule, plan.warmup)
            _set_lr(optimizers, peaks, scale)
            window.add(update(model, optimizers, stage, step, plan.clip))
            done = step + 1
            if plan.logs(done):
                values, count, rate = window.take(clock.seconds)
                items += count
                values = {**values, f"{stage.counts}_per_second": rate}
                metrics.log(
                    "step", done, lr=scale * peaks[0][0], seconds=clock.seconds, **{stage.counts: items}, **values
                )
                progress.update(done, values)
            stage.after(done, metrics)
            stopping = bool(interrupted) and plan.logs(done)
            if stopping or plan.saves(done):
                _save(model, optimizers, stage, work, done, clock.seconds, items)
            if stopping:
                raise KeyboardInterrupt
    return metrics


def update(model: nn.Module, optimizers: Sequence[Optimizer], stage: Stage, step: int, clip: float) -> dict[str, float]:
    """One optimizer step; returns the mean loss and extras, and the count under "count"."""
    sums: dict[str, float] = {"loss": 0.0}
    count = 0.0
    for batch in stage.micro_batches(step):
        loss = stage.loss(batch)
        loss.total.backward()  # type: ignore[no-untyped-call]
        sums["loss"] += loss.total.item()
        count += loss.count
        for name, value in loss.extras.items():
            sums[name] = sums.get(name, 0.0) + value
    if count == 0:
        raise UserError(
            f"{stage.name}: step {step} has no token to learn from. Check that answers are not empty or cut off."
        )
    if not torch.isfinite(torch.tensor(sums["loss"])):
        raise UserError(
            f"{stage.name}: the loss is not finite at step {step}. Lower the learning rate: "
            "with another one the stage starts afresh."
        )
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    torch._foreach_div_(gradients, count)
    for optimizer in optimizers:
        if clip:
            nn.utils.clip_grad_norm_(
                [parameter for group in optimizer.param_groups for parameter in group["params"]], clip
            )
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return {**{name: value / count for name, value in sums.items()}, "count": count}


def prepare_machine(threads: int) -> None:
    """Refuse a distributed launch without a process group; set threads; keep freed memory for the next step."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError(
            "several processes were started (WORLD_SIZE > 1) but cygnet trains in one process so far: "
            "each would train its own copy and never exchange gradients. Start it without torchrun."
        )
    torch.set_num_threads(threads)
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Tell glibc to reuse large blocks instead of returning them to the kernel after every operation."""
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD
    except (OSError, AttributeError):
        return  # another C library: nothing to tune


def _set_lr(optimizers: Sequence[Optimizer], peaks: list[list[float]], scale: float) -> None:
    for optimizer, group_peaks in zip(optimizers, peaks, strict=True):
        for group, peak in zip(optimizer.param_groups, group_peaks, strict=True):
            group["lr"] = peak * scale


def _save(
    model: nn.Module, optimizers: Sequence[Optimizer], stage: Stage, work: Work, step: int, seconds: float, items: float
) -> None:
    state = {
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "stage": stage.state_dict(),
        "random": torch.get_rng_state(),
        "seconds": seconds,
        "items": items,
    }
    save_checkpoint(work.checkpoints, step, state)


def _resume(model: nn.Module, optimizers: Sequence[Optimizer], stage: Stage, work: Work) -> tuple[int, float, float]:
    found = latest_checkpoint(work.checkpoints)
    if found is None:
        return 0, 0.0, 0.0
    step, state = found
    model.load_state_dict(state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    stage.load_state_dict(state["stage"])
    torch.set_rng_state(state["random"])
    return step, float(state["seconds"]), float(state["items"])


@contextmanager
def _interrupt_between_steps() -> Iterator[list[int]]:
    """Turn the first Ctrl-C into a request that the loop honors after the step in hand; the second is immediate."""
    requests: list[int] = []

    def request(number: int, _frame: Any) -> None:
        if requests:
            raise KeyboardInterrupt
        requests.append(number)

    try:
        previous = signal.signal(signal.SIGINT, request)
    except ValueError:  # not the main thread: signals are somebody else's
        yield requests
        return
    try:
        yield requests
    finally:
        signal.signal(signal.SIGINT, previous)


class _Clock:
    """Seconds of training, carried over interruptions."""

    def __init__(self, before: float) -> None:
        self._before, self._started = before, time.monotonic()

    @property
    def seconds(self) -> float:
        return self._before + time.monotonic() - self._started


class _Window:
    """Means over the steps since the last log line."""

    def __init__(self, seconds: float) -> None:
        self._rows: list[dict[str, float]] = []
        self._since = seconds

    def add(self, values: dict[str, float]) -> None:
        self._rows.append(values)

    def take(self, seconds: float) -> tuple[dict[str, float], float, float]:
        """Means, count and items a second; a new window begins."""
        count = sum(row["count"] for row in self._rows)
        rows, self._rows = self._rows, []
        means = {name: sum(row[name] * row["count"] for row in rows) / count for name in rows[0] if name != "count"}
        elapsed, self._since = seconds - self._since, seconds
        return means, count, count / max(elapsed, 1e-9)
