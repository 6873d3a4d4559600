"""Layers compiled by themselves, inside the hooks that gather sharded weights, and with their recomputation."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_stage import Reading, Together, numbers, work_in
from torch.optim import SGD

from cygnet.training.compiling import by_layers, compile_layers
from cygnet.training.distribution import spread, usable_by_all
from cygnet.training.loop import update
from cygnet.training.world import World

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # torch's own, of itself
]
with_compiler = pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="needs a C++ compiler")

SHAPE = {"depth": 2, "context_length": 32}
SHARDED = {"sharding": "full"}
RECOMPUTED = {"recompute": True}


def prepared(world: World, build: Any, shape: dict[str, Any], settings: dict[str, Any], layers: bool) -> Any:
    """A model on its way to be trained."""
    model = build(**shape)
    work = work_in(Path("unused"), world, **settings)
    spread(model, work)
    if layers:
        compile_layers(model, work)
    return model, work


def gradient(
    world: World, build: Any, settings: dict[str, Any], layers: bool = True, shape: dict[str, Any] = SHAPE
) -> np.ndarray:
    """What one step of gradient descent at rate 1 changes."""
    model, work = prepared(world, build, shape, settings, layers)
    before = numbers(model)
    update(model, [SGD(model.parameters(), lr=1.0)], Reading(model, work), 0, 0.0, world)
    return before - numbers(model)


def graphs() -> int:
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])


@pytest.fixture
def expected(build: Any) -> np.ndarray:
    found = gradient(World(), build, {}, layers=False)
    assert np.linalg.norm(found) > 0.1
    return found


def test_what_keeps_a_model_from_being_compiled_whole() -> None:
    two, nowhere = World(0, 2), Path("unused")
    assert not by_layers(work_in(nowhere, two))
    assert not by_layers(work_in(nowhere, World(), **SHARDED))  # alone, a process has no one to share with
    assert by_layers(work_in(nowhere, two, **SHARDED))
    assert by_layers(work_in(nowhere, World(), **RECOMPUTED))


@with_compiler
@pytest.mark.parametrize(("size", "settings"), [(1, RECOMPUTED), (2, SHARDED), (2, {**SHARDED, **RECOMPUTED})])
def test_the_gradient_is_that_of_layers_as_they_are(
    together: Together, build: Any, expected: np.ndarray, size: int, settings: dict, capfd: pytest.CaptureFixture[str]
) -> None:
    """All layers take the same code."""

    def job(world: World) -> tuple[np.ndarray, int]:
        before = graphs()
        return gradient(world, build, settings), graphs() - before

    for found, compiled in together(size, job):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        assert compiled == 1
    assert "uncompiled" not in capfd.readouterr().err


@with_compiler
def test_another_model_of_the_same_sizes_is_compiled_anew(together: Together, build: Any) -> None:
    """As in a recipe's next stage: torch, which may trust sharded modules to stay as they are, sees what differs."""
    other = {**SHAPE, "norm_eps": 0.3}

    def job(world: World) -> np.ndarray:
        gradient(world, build, SHARDED)
        return gradient(world, build, SHARDED, shape=other)

    expected = gradient(World(), build, {}, layers=False, shape=other)
    for found in together(2, job):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@with_compiler
def test_without_gradients_layers_are_as_they_are(together: Together, build: Any) -> None:
    tokens = torch.arange(20)[None] + 8

    def job(world: World) -> tuple[np.ndarray, int]:
        before = graphs()  # of this process, which was forked from one that may have compiled before
        model, _ = prepared(world, build, SHAPE, {**SHARDED, **RECOMPUTED}, layers=True)
        with torch.no_grad(), usable_by_all(model):
            return model(tokens).numpy(), graphs() - before

    model = build(**SHAPE)
    with torch.no_grad():
        expected = model(tokens).numpy()
    for found, compiled in together(2, job):
        assert np.array_equal(found, expected)
        assert compiled == 0


@with_compiler
def test_one_process_without_a_compiler_goes_on_with_the_other(
    together: Together, build: Any, expected: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    def job(world: World) -> np.ndarray:
        if world.rank == 1:
            os.environ["CXX"] = "no-such-compiler"
        return gradient(world, build, SHARDED)

    for found in together(2, job):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert capfd.readouterr().err.count("no C++ compiler is found") == 1


class Failing(torch.autograd.Function):
    """What can't be compiled backward, which torch says only then."""

    @staticmethod
    def forward(ctx: object, layer: torch.nn.Module, x: torch.Tensor, *inputs: Any) -> torch.Tensor:
        return type(layer).forward(layer, x, *inputs)

    @staticmethod
    def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("fork failed")


@pytest.mark.parametrize("settings", [SHARDED, {**SHARDED, **RECOMPUTED}])
def test_a_backward_pass_that_does_not_compile_stops_nothing(
    together: Together,
    build: Any,
    expected: np.ndarray,
    settings: dict,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """It is tried in one layer, apart from those before it, whose weights are shards again by then; and told once."""
    monkeypatch.setattr(torch, "compile", lambda function, **_: Failing.apply)
    monkeypatch.setenv("CXX", "sh")
    for found in together(2, lambda world: gradient(world, build, settings)):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert capfd.readouterr().err.count("can't compile here (RuntimeError: fork failed)") == 2  # in two processes
