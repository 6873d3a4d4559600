"""Several processes train as one does: the same gradients, the same losses, and checkpoints that either takes up."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pretended_gpu import pretended_gpu
from small_stage import PLAN, Reading, Together, events, numbers, same, trained, work_in
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import SGD

from cygnet.errors import UserError
from cygnet.generation import Engine, Sampling
from cygnet.model.transformer import Transformer
from cygnet.tokens.packing import collate
from cygnet.tokens.tokenizer import Tokenizer
from cygnet.training.checkpoint import latest_checkpoint
from cygnet.training.distribution import agreeing, gathered, is_sharded, on_device, spread, usable_by_all, whole_model
from cygnet.training.loop import fit, update
from cygnet.training.optimizers import adamw, muon_and_adamw
from cygnet.training.world import World

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def gradient(world: World, build: Any, **settings: Any) -> tuple[np.ndarray, dict[str, float]]:
    """What one step of gradient descent at rate 1 changes, and what is said of it."""
    model = build(depth=1, context_length=32)
    before = numbers(model)
    work = work_in(Path("unused"), world, **settings)
    spread(model, work)
    said = update(model, [SGD(model.parameters(), lr=1.0)], Reading(model, work), 0, 0.0, world)
    return before - numbers(model), said


@pytest.mark.parametrize(
    ("size", "settings"),
    [
        (2, {}),
        (4, {}),
        (2, {"rows_at_once": 2}),
        (4, {"rows_at_once": 1}),
        (2, {"sharding": "full"}),
        (4, {"sharding": "full", "rows_at_once": 1, "recompute": True}),
    ],
)
def test_the_gradient_is_that_of_one_process(together: Together, build, size: int, settings: dict) -> None:
    expected, alone = gradient(World(), build)
    assert np.linalg.norm(expected) > 0.1
    for found, said in together(size, lambda world: gradient(world, build, **settings)):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        assert said == pytest.approx(alone)


def test_a_model_is_never_whole_on_the_device_that_gets_a_shard(together: Together, build) -> None:
    """FSDP moves layer by layer what is not there yet, so a model may be larger than one GPU."""

    def job(world: World) -> bool:
        model = build(depth=1)
        model.to = lambda device: pytest.fail("moved whole")
        spread(model, work_in(Path("unused"), world, sharding="full"))
        return all(map(is_sharded, model.parameters()))

    assert together(2, job) == [True, True]


@pytest.mark.parametrize("settings", [{"rows_at_once": 1}, {"rows_at_once": 3}, {"recompute": True}])
def test_rows_at_once_and_recomputing_change_nothing(build, settings: dict) -> None:
    expected, alone = gradient(World(), build)
    found, said = gradient(World(), build, **settings)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert said == pytest.approx(alone)


@pytest.mark.parametrize("sharding", ["none", "full"])
def test_the_run_is_that_of_one_process_wherever_it_is_taken_up(
    together: Together, build, tmp_path: Path, sharding: str
) -> None:
    """Two processes; two that are interrupted and go on as two, bit for bit; one to two, and two to one."""
    weights = trained(World(), build, tmp_path / "one")
    (straight, other) = together(2, lambda world: trained(world, build, tmp_path / "two", sharding=sharding))
    assert np.array_equal(straight, other)
    np.testing.assert_allclose(straight, weights, rtol=0.05, atol=0.02)
    assert same(events(tmp_path / "two"), events(tmp_path / "one"))

    for folder in ("two again", "two to one"):
        stopped = together(2, lambda world: trained(world, build, tmp_path / folder, stop=5, sharding=sharding))  # noqa: B023
        assert [type(error) for error in stopped] == [KeyboardInterrupt] * 2
        assert latest_checkpoint(tmp_path / folder / "checkpoints")[0] == 6
    (again, _) = together(2, lambda world: trained(world, build, tmp_path / "two again", sharding=sharding))
    assert np.array_equal(again, straight)
    assert events(tmp_path / "two again") == events(tmp_path / "two")

    trained(World(), build, tmp_path / "two to one")
    assert same(events(tmp_path / "two to one"), events(tmp_path / "one"))

    with pytest.raises(KeyboardInterrupt):
        trained(World(), build, tmp_path / "one to two", stop=5)
    together(2, lambda world: trained(world, build, tmp_path / "one to two", sharding=sharding))
    assert same(events(tmp_path / "one to two"), events(tmp_path / "one"))


def test_a_sharded_model_is_sharded_and_comes_back_whole(together: Together, build) -> None:
    def job(world: World) -> tuple[int, int, list[float], bool, bool]:
        model = build(depth=2, context_length=32)
        tokens = torch.arange(20)[None] + 8
        expected = model(tokens).detach()
        spread(model, work_in(Path("unused"), world, sharding="full"))
        held = sum(parameter.to_local().numel() for parameter in model.parameters())
        alone = []
        with gathered(model):
            if world.first:  # uses it as often as it likes, and the other doesn't
                with torch.no_grad():
                    alone = [float((model(tokens) - expected).abs().max()) for _ in range(3)]
        again = bool(torch.allclose(model(tokens), expected, atol=1e-5))
        whole = whole_model(model, lambda: Transformer(model.config), world)
        plain = type(whole) is Transformer and torch.equal(whole(tokens), expected)
        return held, sum(parameter.numel() for parameter in model.parameters()), alone, again, plain

    first, second = together(2, job)
    assert first[0] + second[0] == first[1]
    assert max(first[0], second[0]) < 0.6 * first[1]
    assert max(first[2]) < 1e-5
    assert first[3]
    assert second[3]
    assert first[4]


def test_all_processes_decode_the_same_with_a_sharded_model(together: Together, build, tokenizer: Tokenizer) -> None:
    """Though the second one's logits are others; afterwards the weights are shards again, and the model as it was."""
    prompts = [[1, 9, 30], [1, 40]]
    sampling = Sampling(temperature=1.0, max_new_tokens=12)

    def job(world: World) -> tuple[list[list[int]], bool, bool]:
        model = build(depth=2, context_length=32)
        spread(model, work_in(Path("unused"), world, sharding="full"))
        own = model.logits
        if world.rank == 1:
            model.logits = lambda features: own(features).flip(-1)
        with usable_by_all(model), agreeing(model):
            found = Engine(model, tokenizer).generate(prompts, sampling)
        sharded = all(parameter.to_local().numel() < parameter.numel() for parameter in model.parameters())
        return [one.tokens for (one,) in found], sharded, "logits" in vars(model)

    alone = Engine(build(depth=2, context_length=32), tokenizer).generate(prompts, sampling)
    found = together(2, job)
    assert [tokens for tokens, _, _ in found] == [[one.tokens for (one,) in alone]] * 2
    assert [sharded for _, sharded, _ in found] == [True, True]
    assert not found[0][2]


def test_moments_are_sharded_with_the_weights(together: Together, build) -> None:
    def job(world: World) -> list[bool]:
        model = build(depth=1, context_length=32)
        work = work_in(Path("unused"), world, sharding="full")
        spread(model, work)
        optimizers = [*muon_and_adamw(model, 0.02, 0.01, world), adamw(model.parameters(), 0.01)]
        update(model, optimizers, Reading(model, work), 0, 1.0, world)
        return [
            value.to_local().numel() < value.numel()
            for optimizer in optimizers
            for found in optimizer.state.values()
            for value in found.values()
            if value.ndim
        ]

    for found in together(2, job):
        assert len(found) > 10
        assert all(found)


@pytest.mark.parametrize(("size", "sharding"), [(2, "none"), (4, "none"), (2, "full"), (4, "full")])
def test_muon_moves_matrices_as_in_one_process(together: Together, build, size: int, sharding: str) -> None:
    """From the same gradients, two steps, so that the momentum counts too; three matrices of a shape for four ranks."""

    def job(world: World) -> np.ndarray:
        model = build(depth=3, context_length=32)
        before = numbers(model)
        spread(model, work_in(Path("unused"), world, sharding=sharding))
        optimizer = muon_and_adamw(model, 0.02, 0.01, world)[0]
        rng = torch.Generator().manual_seed(1)
        for _ in range(2):
            for parameter in model.parameters():
                parameter.grad = torch.randn(parameter.shape, generator=rng)
                if is_sharded(parameter):
                    place = parameter.device_mesh, parameter.placements
                    parameter.grad = distribute_tensor(parameter.grad, *place, src_data_rank=None)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(DTensor, "full_tensor", lambda self: pytest.fail("made whole in every process"))
                optimizer.step()
        return numbers(model) - before

    expected = job(World())
    assert np.linalg.norm(expected) > 0.1
    for found in together(size, job):
        np.testing.assert_allclose(found, expected, atol=2e-4)  # of 0.04: the products are in bfloat16


def test_what_goes_wrong_goes_wrong_in_all(together: Together, build, tmp_path: Path) -> None:
    def job(world: World) -> None:
        model = build(depth=1, context_length=32)
        work = work_in(tmp_path, world)
        stage = Reading(model, work)
        original = stage.loss
        bad = float("nan") if world.rank == 1 else 1.0
        stage.loss = lambda batch: replace(original(batch), total=original(batch).total * bad)
        fit(model, muon_and_adamw(model, 0.02, 0.01, world), stage, PLAN, work)

    for error in together(2, job):
        assert isinstance(error, UserError)
        assert "the loss is not finite at step 0" in str(error)


def test_who_loses_the_others_says_so_and_the_run_goes_on(together: Together, build, tmp_path: Path) -> None:
    def killed(world: World) -> None:
        def hook(step: int) -> None:
            if world.rank == 1 and step == 7:
                os.kill(os.getpid(), signal.SIGKILL)

        model = build(depth=2, context_length=32)
        work = work_in(tmp_path / "killed", world)
        stage = Reading(model, work)
        stage.hook = hook
        fit(model, muon_and_adamw(model, 0.02, 0.01, world), stage, PLAN, work)

    left, dead = together(2, killed)
    assert dead is None
    assert isinstance(left, UserError)
    assert "process 0 of 2 lost the others: one of them ended, or did not answer" in str(left)
    assert "goes on from the last checkpoint" in str(left)
    (straight, _) = together(2, lambda world: trained(world, build, tmp_path / "straight"))
    (again, _) = together(2, lambda world: trained(world, build, tmp_path / "killed"))
    assert np.array_equal(again, straight)
    assert events(tmp_path / "killed") == events(tmp_path / "straight")


def test_who_does_not_answer_is_not_waited_for_forever(together: Together, tmp_path: Path) -> None:
    joined, gone = tmp_path / "joined", tmp_path / "gone"

    def job(world: World) -> None:
        if world.rank == 1:
            joined.touch()
            end = time.monotonic() + 120
            while not gone.exists() and time.monotonic() < end:
                time.sleep(0.01)
            return
        try:
            world.sums([1.0])
        finally:
            gone.touch()

    left, _ = together(2, job, patience=5.0)
    assert joined.exists()  # or they did not find each other in time
    assert isinstance(left, UserError)
    assert "did not answer" in str(left)


def test_what_the_first_process_says_is_heard_by_all(together: Together) -> None:
    def job(world: World) -> list[Any]:
        said = [
            world.tell({"step": 3, "text": "🦢"} if world.first else None),
            world.tell([1.5] if world.first else None),
        ]
        return [*said, world.sums([1.0, float(world.rank)])]

    assert together(4, job) == [[{"step": 3, "text": "🦢"}, [1.5], [4.0, 6.0]]] * 4


def test_a_batch_goes_to_a_gpu_while_that_is_at_work() -> None:
    rows = collate([[[1, 2, 3]]], None, 4, 0)
    with pretended_gpu() as gpu:
        there = on_device(rows, "cuda:0")
        assert gpu.waits == []
        assert {tensor.device.type for tensor in there} == {"cuda"}
        assert there.tokens.tolist() == rows.tokens.tolist()
        assert len(gpu.waits) == 1
