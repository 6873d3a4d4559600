"""The loop in one process; several are in test_distribution.py."""

import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pretended_gpu import pretended_gpu
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from cygnet.errors import UserError
from cygnet.model.transformer import Transformer
from cygnet.tokens.packing import Rows, collate, pack
from cygnet.training import loop
from cygnet.training.checkpoint import CheckpointWriter, latest_checkpoint
from cygnet.training.loop import Loss, Plan, fit, update
from cygnet.training.metrics import Metrics
from cygnet.training.optimizers import muon_and_adamw
from cygnet.training.schedule import multiplier
from cygnet.training.work import Work
from cygnet.training.world import World

PLAN = Plan(steps=25, schedule="linear", warmup=3, clip=1.0, checkpoint_every=10, log_every=5)
ROUNDS = replace(PLAN, steps=24, checkpoint_every=8, log_every=4, round=4)


class Texts:
    """Next-token prediction on rows of random documents, with random numbers and a memory besides."""

    name = "texts"
    counts = "tokens"

    def __init__(self, model: Transformer, parts: Sequence[int] = (6,)) -> None:
        self.model, self.parts = model, parts
        self.memory = 0.0
        self.hook: Callable[[int], None] = lambda step: None

    def micro_batches(self, step: int) -> list[Rows]:
        self.hook(step)
        self.memory += float(torch.rand(()))  # what the seed and what was saved decide
        rng = torch.Generator().manual_seed(step)
        lengths = torch.randint(4, 16, (40,), generator=rng).tolist()
        documents = [torch.randint(8, 300, (length,), generator=rng).tolist() for length in lengths]
        members = [[documents[i] for i in row] for row in pack(lengths, 32)][: sum(self.parts)]
        assert len(members) == sum(self.parts)
        # the last row has nothing to learn, so that parts of unlike counts, even of none, are shown to work
        weights = [[[float(row < len(members) - 1)] * len(ids) for ids in row_] for row, row_ in enumerate(members)]
        starts = [sum(self.parts[:place]) for place in range(len(self.parts))]
        return [
            collate(members[start : start + size], weights[start : start + size], 32, 0)
            for start, size in zip(starts, self.parts, strict=True)
        ]

    def loss(self, batch: Rows) -> Loss:
        logits = self.model(batch.tokens, batch.positions, batch.mask).flatten(0, 1)
        nats = F.cross_entropy(logits, batch.targets.flatten(), reduction="none") * batch.weights.flatten()
        right = (logits.argmax(-1) == batch.targets.flatten()) * batch.weights.flatten()
        return Loss(nats.sum(), float(batch.weights.sum()), {"accuracy": float(right.sum()), "memory": self.memory})

    def due(self, step: int) -> bool:
        return step % 5 == 0

    def after(self, step: int, metrics: Metrics) -> None:
        weights = sum(parameter.detach().sum().item() for parameter in self.model.parameters())
        metrics.log("eval", step, memory=self.memory, weights=weights)

    def state_dict(self) -> dict[str, Any]:
        return {"memory": self.memory}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.memory = state["memory"]


Run = tuple[Transformer, list[Optimizer], Texts]


@pytest.fixture
def start(build) -> Callable[[], Run]:
    """A model, its optimizers and a stage, all anew, as a process that starts has them."""

    def start() -> Run:
        model = build(depth=1, context_length=32)
        return model, muon_and_adamw(model, 0.02, 0.01), Texts(model)

    return start


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "checkpoints", tmp_path / "metrics.jsonl", seed=3, threads=1, progress=False)


def events(path: Path) -> list[dict[str, Any]]:
    """Metrics without what depends on the clock."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{key: value for key, value in row.items() if "second" not in key} for row in rows]


def state(run: Run) -> list[Tensor]:
    model, optimizers, _ = run
    moments = [value for optimizer in optimizers for found in optimizer.state.values() for value in found.values()]
    return [tensor.detach().clone() for tensor in (*model.state_dict().values(), *moments)]


@pytest.mark.parametrize("parts", [(1, 5), (5, 1), (2, 2, 2), (1, 1, 1, 1, 1, 1)])
def test_how_a_batch_is_split_does_not_matter(build, parts: tuple[int, ...]) -> None:
    found = []
    for split in ((6,), parts):
        model = build(depth=1, context_length=32)
        before = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
        values = update(model, [SGD(model.parameters(), lr=1.0)], Texts(model, split), step=0, clip=0.0)
        gradient = before - torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
        found.append((gradient, values["loss"], values["accuracy"], values["count"]))
    (whole, *numbers), (split, *others) = found
    assert whole.norm() > 0.1
    torch.testing.assert_close(split, whole, rtol=1e-4, atol=1e-6)
    assert others == pytest.approx(numbers)


def test_the_gradient_is_that_of_the_mean(build) -> None:
    model = build(depth=1, context_length=32)
    stage = Texts(model, (2, 4))
    losses = [stage.loss(batch) for batch in stage.micro_batches(0)]
    mean = sum(loss.total for loss in losses) / sum(loss.count for loss in losses)
    expected = torch.autograd.grad(mean, list(model.parameters()))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    values = update(model, [SGD(model.parameters(), lr=1.0)], stage, step=0, clip=0.0)
    for old, new, gradient in zip(before, model.parameters(), expected, strict=True):
        torch.testing.assert_close(old - new, gradient, rtol=1e-4, atol=1e-5)
    assert values["loss"] == pytest.approx(mean.item())


def test_what_a_stage_gives_as_tensors_counts_as_what_it_gives_as_numbers(build) -> None:
    class Tensors(Texts):
        def loss(self, batch: Rows) -> Loss:
            found = super().loss(batch)
            extras = {name: torch.tensor(value) for name, value in found.extras.items()}
            return Loss(found.total, batch.weights.sum(), {**extras, "plain": 0.1 * found.count})

    found = []
    for kind in (Texts, Tensors):
        torch.manual_seed(1)
        model = build(depth=1, context_length=32)
        values = update(model, [SGD(model.parameters(), lr=1.0)], kind(model, (1, 2, 3)), step=0, clip=0.0)
        found.append((values, [parameter.detach() for parameter in model.parameters()]))
    (numbers, moved), (tensors, moved_too) = found
    assert tensors.pop("plain") == pytest.approx(0.1)
    assert tensors == pytest.approx(numbers, rel=1e-7)  # what was drawn as a float64 went through a float32
    assert tensors["loss"] == numbers["loss"]
    assert all(map(torch.equal, moved, moved_too))


def test_the_gradient_of_each_optimizer_is_clipped(build) -> None:
    model = build(depth=1, context_length=32)
    groups = [[model.model.embed_tokens.weight], [p for n, p in model.named_parameters() if "embed" not in n]]
    before = [[p.detach().clone() for p in group] for group in groups]
    update(model, [SGD(group, lr=1.0) for group in groups], Texts(model), step=0, clip=0.01)
    for group, old in zip(groups, before, strict=True):
        moved = torch.cat([(a - b).flatten() for a, b in zip(old, group, strict=True)]).norm()
        assert moved.item() == pytest.approx(0.01, rel=1e-2)


def test_the_learning_rate_follows_the_schedule(start: Callable[[], Run], work: Work) -> None:
    model, optimizers, stage = start()
    seen: list[list[float]] = []
    stage.hook = lambda step: seen.append([optimizer.param_groups[0]["lr"] for optimizer in optimizers])
    fit(model, optimizers, stage, PLAN, work)
    for step, rates in enumerate(seen):
        scale = multiplier(step, PLAN.steps, PLAN.schedule, PLAN.warmup)
        assert rates == pytest.approx([0.02 * scale, 0.01 * scale])
    logged = [row["lr"] for row in events(work.metrics) if row["event"] == "step"]
    assert logged == pytest.approx([0.02 * multiplier(step, 25, "linear", 3) for step in (4, 9, 14, 19, 24)])


def test_what_is_logged_are_means_over_the_steps_since_the_last_line(start: Callable[[], Run], work: Work) -> None:
    model, optimizers, stage = start()
    rows = [json.loads(line) for line in _fit(model, optimizers, stage, PLAN, work)]
    steps = [row for row in rows if row["event"] == "step"]
    assert [row["step"] for row in steps] == [5, 10, 15, 20, 25]
    counts = [sum(float(batch.weights.sum()) for batch in stage.micro_batches(step)) for step in range(25)]
    assert [row["tokens"] for row in steps] == [sum(counts[: row["step"]]) for row in steps]
    assert [row["step"] for row in rows if row["event"] == "eval"] == [0, 5, 10, 15, 20, 25]

    other, others, again = start()
    every = [json.loads(line) for line in _fit(other, others, again, replace(PLAN, log_every=1), work)]
    losses = [row["loss"] for row in every if row["event"] == "step"]
    weighted = [loss * count for loss, count in zip(losses, counts, strict=True)]
    means = [sum(weighted[i : i + 5]) / sum(counts[i : i + 5]) for i in range(0, 25, 5)]
    assert [row["loss"] for row in steps] == pytest.approx(means)
    assert losses[-1] < losses[0]


def _fit(model: nn.Module, optimizers: list[Optimizer], stage: Texts, plan: Plan, work: Work) -> list[str]:
    apart = replace(work, checkpoints=work.checkpoints.with_name(f"checkpoints {plan.log_every}"))
    fit(model, optimizers, stage, plan, apart)
    return work.metrics.read_text().splitlines()


@pytest.mark.parametrize("crash_before", [1, 9, 10, 11, 24])
def test_an_interrupted_run_ends_bit_for_bit_as_an_uninterrupted_one(
    start: Callable[[], Run], work: Work, tmp_path: Path, crash_before: int
) -> None:
    straight = start()
    fit(*straight, PLAN, replace(work, checkpoints=tmp_path / "other", metrics=tmp_path / "other.jsonl"))

    def crash(step: int) -> None:
        if step == crash_before:
            raise ConnectionError("the power is gone")

    first = start()
    first[2].hook = crash
    with pytest.raises(ConnectionError):
        fit(*first, PLAN, work)
    torch.rand(7)  # the new process has used its random numbers differently
    second = start()
    fit(*second, PLAN, work)
    assert all(map(torch.equal, state(second), state(straight)))
    assert events(work.metrics) == events(tmp_path / "other.jsonl")
    assert second[2].memory == straight[2].memory


@pytest.mark.parametrize(("plan", "number", "kept"), [(PLAN, signal.SIGINT, 13), (ROUNDS, signal.SIGTERM, 16)])
def test_ctrl_c_finishes_the_update_or_the_round_and_leaves_a_checkpoint(
    start: Callable[[], Run], work: Work, tmp_path: Path, plan: Plan, number: signal.Signals, kept: int
) -> None:
    """In the midst of what a line is about; SIGTERM, which clusters send, does the same."""
    straight = start()
    fit(*straight, plan, replace(work, checkpoints=tmp_path / "other", metrics=tmp_path / "other.jsonl"))
    handler = signal.getsignal(number)

    def press(step: int) -> None:
        if step == 12:
            os.kill(os.getpid(), number)

    first = start()
    first[2].hook = press
    with pytest.raises(KeyboardInterrupt):
        fit(*first, plan, work)
    assert signal.getsignal(number) is handler
    found = latest_checkpoint(work.checkpoints)
    assert found is not None
    assert found[0] == kept
    second = start()
    fit(*second, plan, work)
    assert all(map(torch.equal, state(second), state(straight)))
    assert events(work.metrics) == events(tmp_path / "other.jsonl")


def test_a_checkpoint_is_written_when_the_last_is_long_ago(
    start: Callable[[], Run], work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However far apart the plan has them: by the clock, which is put forward here by 400 seconds an update."""
    now = iter(range(0, 1_000_000, 200))
    monkeypatch.setattr(loop.Clock, "seconds", property(lambda self: float(next(now))))
    written: list[int] = []
    monkeypatch.setattr(CheckpointWriter, "save", lambda self, step, state: written.append(step))
    fit(*start(), replace(PLAN, checkpoint_every=1000), work)
    apart = {later - earlier for earlier, later in pairwise([0, *written])}
    assert len(written) > 5
    assert max(apart) <= 3


def test_the_rate_is_that_of_updates_alone(
    start: Callable[[], Run], work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An evaluation that takes long doesn't slow down what is said of training. Updates take two seconds here."""
    model, optimizers, stage = start()
    seconds = [0.0]
    monkeypatch.setattr(loop.Clock, "seconds", property(lambda self: seconds[0]))

    def pass_time(more: float) -> None:
        seconds[0] += more

    stage.hook = lambda step: pass_time(2.0)
    stage.after = lambda step, metrics: pass_time(100.0)
    rows = fit(model, optimizers, stage, PLAN, work).history("step")
    before = [0, *(row["tokens"] for row in rows)]
    assert [row["tokens_per_second"] for row in rows] == [(b - a) / 10 for a, b in pairwise(before)]
    assert rows[-1]["seconds"] == 550  # as always, all that passed before the line is in these: 25 updates, 5 looks


@pytest.mark.parametrize("during", ["update", "look"])
def test_ctrl_c_at_the_end_loses_nothing(start: Callable[[], Run], work: Work, during: str) -> None:
    """In the last update, or when the stage looks at the model after it."""
    first = start()
    look = first[2].after

    def press(now: bool) -> None:
        if now:
            os.kill(os.getpid(), signal.SIGINT)

    def after(step: int, metrics: Metrics) -> None:
        look(step, metrics)
        press(during == "look" and step == 25)

    first[2].hook = lambda step: press(during == "update" and step == 24)
    first[2].after = after
    with pytest.raises(KeyboardInterrupt):
        fit(*first, PLAN, work)
    before = events(work.metrics)
    second = start()
    second[2].hook = pytest.fail
    fit(*second, PLAN, work)
    assert all(map(torch.equal, state(second), state(first)))
    assert events(work.metrics) == before


def test_a_second_ctrl_c_is_immediate(start: Callable[[], Run], work: Work) -> None:
    def press_twice(step: int) -> None:
        if step == 12:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("went on")

    run = start()
    run[2].hook = press_twice
    with pytest.raises(KeyboardInterrupt):
        fit(*run, PLAN, work)
    found = latest_checkpoint(work.checkpoints)
    assert found is not None
    assert found[0] == 10


def test_time_goes_on_where_it_stopped(start: Callable[[], Run], work: Work) -> None:
    first = start()
    first[2].hook = lambda step: os.kill(os.getpid(), signal.SIGINT) if step == 7 else None
    with pytest.raises(KeyboardInterrupt):
        fit(*first, PLAN, work)
    metrics = fit(*start(), PLAN, work)
    seconds = [row["seconds"] for row in metrics.history("step")]
    assert seconds == sorted(seconds)
    assert len(seconds) == 5


def test_nothing_to_learn_is_an_error(start: Callable[[], Run], work: Work) -> None:
    model, optimizers, stage = start()
    (batch,) = stage.micro_batches(0)
    stage.micro_batches = lambda step: [batch._replace(weights=torch.zeros_like(batch.weights))]
    with pytest.raises(UserError, match=r"texts: step 0 has no token to learn from\. Check that answers are not empty"):
        fit(model, optimizers, stage, PLAN, work)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_an_error(start: Callable[[], Run], work: Work, value: float) -> None:
    model, optimizers, stage = start()

    def spoil(step: int) -> None:
        if step == 12:
            with torch.no_grad():
                model.model.norm.weight[0] = value

    stage.hook = spoil
    with pytest.raises(
        UserError, match=r"texts: the loss is not finite at step 12\. Lower the learning rate and add --restart: "
    ):
        fit(model, optimizers, stage, PLAN, work)
    found = latest_checkpoint(work.checkpoints)
    assert found is not None
    assert found[0] == 10
    assert all(torch.isfinite(tensor).all() for tensor in found[1]["model"].values())


@pytest.mark.parametrize(("step", "kept"), [(9, None), (24, 20)])
def test_weights_that_are_no_numbers_are_never_kept(
    start: Callable[[], Run], work: Work, step: int, kept: int | None
) -> None:
    """No loss told: they were spoiled by the update before a checkpoint, or by the last one."""
    model, optimizers, stage = start()

    def spoil(now: int) -> None:
        if now == step:
            next(iter(model.parameters())).register_hook(lambda gradient: gradient * float("nan"))

    stage.hook = spoil
    with pytest.raises(UserError, match=rf"texts: weights are not finite after {step + 1} updates\. Lower the "):
        fit(model, optimizers, stage, PLAN, work)
    found = latest_checkpoint(work.checkpoints)
    assert (found and found[0]) == kept


def test_several_processes_that_are_no_world_are_refused(
    start: Callable[[], Run], work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match=r"this one would train its own copy and never exchange gradients"):
        fit(*start(), PLAN, work)
    assert not work.metrics.exists()
    monkeypatch.setenv("WORLD_SIZE", "1")
    fit(*start(), replace(PLAN, steps=1), work)


class Watching(torch.autograd.Function):
    """Does nothing, and has the backward pass tell what is asked of torch then."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, tell: Callable[[str], None]) -> Tensor:
        ctx.tell = tell
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        ctx.tell("backward")
        return gradients[0], None


@pytest.mark.parametrize("ordered", [True, False])
def test_an_update_adds_in_one_order_or_fails_where_order_is_asked_for(build, ordered: bool) -> None:
    """With a warning alone torch's attention on GPUs adds as it comes."""
    told: list[tuple[str, bool, bool]] = []

    def tell(place: str) -> None:
        strict = not torch.is_deterministic_algorithms_warn_only_enabled()
        told.append((place, torch.are_deterministic_algorithms_enabled(), strict))

    class Watched(Texts):
        def loss(self, batch: Rows) -> Loss:
            tell("forward")
            loss = super().loss(batch)
            return replace(loss, total=Watching.apply(loss.total, tell))

    model = build(depth=1, context_length=32)
    stage = Watched(model)
    stage.hook = lambda _: tell("batches")  # of which reinforcement's are answers written just then
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    try:
        torch.use_deterministic_algorithms(ordered, warn_only=ordered)
        update(model, [SGD(model.parameters(), 0.1)], stage, 0, 0.0)
        tell("after")
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
    lax = ordered, not ordered
    assert told == [("batches", *lax), ("forward", ordered, True), ("backward", ordered, True), ("after", *lax)]


def test_what_was_begun_on_a_gpu_goes_on_on_the_cpu(build, tmp_path: Path) -> None:
    """A checkpoint holds copies of what was there then, though training goes on while it is written."""

    def train(folder: Path, device: str, stop: int | None = None) -> Tensor:
        model = build(context_length=32).to(device)
        stage = Texts(model)
        stage.hook = lambda step: os.kill(os.getpid(), signal.SIGINT) if step == stop else None
        work = Work(folder / "checkpoints", folder / "metrics.jsonl", 3, 1, progress=False, world=World(device=device))
        fit(model, muon_and_adamw(model, 0.02, 0.01), stage, PLAN, work)
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    with pretended_gpu(), pytest.raises(KeyboardInterrupt):
        train(tmp_path / "moved", "cuda:0", stop=13)
    found = train(tmp_path / "moved", "cpu")
    assert torch.equal(found, train(tmp_path / "stayed", "cpu"))
