"""Compiling what a stage does at every step, where the stage is long enough to repay it."""

import os
import shutil
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ParamSpec

import torch
from torch import Tensor, nn

from cygnet.training.distribution import layers_of, recomputed
from cygnet.training.randomness import random_state, restore_random
from cygnet.training.work import Work

# Work, in FLOPs, from which compiling pays: half a minute of it against a minute or more on two cores, or on a GPU
_REPAID = {"cpu": 8e12, "cuda": 1e17}

Given = ParamSpec("Given")


def pays(flops: float, device: torch.device) -> bool:
    """Whether so much work is worth compiling for. The rule knows no clock, so that a resumed stage does as before."""
    return flops >= _REPAID.get(device.type, float("inf"))


def repaid(model: nn.Module, tokens: float) -> bool:
    """Whether to compile a stage in which the model reads so many tokens, forward and backward."""
    parameters = list(model.parameters())
    return pays(6 * sum(parameter.numel() for parameter in parameters) * tokens, parameters[0].device)


def by_layers(work: Work) -> bool:
    """Whether only layers can be compiled: what is around them, hooks that gather sharded weights, doesn't compile."""
    return work.recompute or (work.sharding != "none" and work.world.size > 1)


def compile_layers(model: nn.Module, work: Work) -> None:
    """Compile the layers of a model that `spread` has seen, each by itself and all to the same code.

    Hooks on a layer stay outside of that; its recomputation, if `work` asks for it, is compiled with it.
    """
    quick = compiled(recomputed if work.recompute else _through)
    for layer in layers_of(model):
        layer.forward = partial(quick, layer)


def compiled(function: Callable[Given, Tensor]) -> Callable[Given, Tensor]:
    """The same function, compiled at its first call for the shapes it then sees; as it is, where that can't be done.

    Without gradients, as in evaluations, it is as it is: what is compiled is a step of training. At the first call
    forward and backward are tried, for torch compiles the backward pass only when it is needed. It is called once as it
    is before, so that a resumed stage, which begins with this, compiles what another does. What is compiled is kept by
    torch for the next process (TORCHINDUCTOR_CACHE_DIR), which starts in seconds.
    """
    import torch._inductor.config as inductor

    if shutil.which(os.environ.get("CXX", "g++")) is None:  # the one that torch would call
        print("no C++ compiler is found: training goes on uncompiled, at some two thirds of the speed", file=sys.stderr)
        return function
    inductor.compile_threads = 1  # no processes of its own, which Ctrl-C would reach, too
    quick: Callable[Given, Tensor] = torch.compile(function, dynamic=False)
    chosen: list[Callable[Given, Tensor]] = []

    def call(*args: Given.args, **kwargs: Given.kwargs) -> Tensor:
        if not torch.is_grad_enabled():
            return function(*args, **kwargs)
        if not chosen:
            random = random_state()
            with torch.no_grad():  # what it computes once and keeps is no part of what is compiled
                function(*args, **kwargs)
            try:
                _try_backward(quick(*_cut_off(args), **kwargs))  # type: ignore[arg-type]
                chosen.append(quick)
            except torch.OutOfMemoryError:  # what is not compiled takes more of it, not less
                raise
            except Exception as error:  # noqa: BLE001 - compilers fail in any way, and nothing depends on them
                print(f"torch can't compile here ({_words(error)}): training goes on uncompiled", file=sys.stderr)
                chosen.append(function)
            restore_random(random)
        return chosen[0](*args, **kwargs)

    return call


def _through(layer: nn.Module, *inputs: Any) -> Tensor:
    return torch.as_tensor(type(layer).forward(layer, *inputs))


def _cut_off(given: Iterable[object]) -> list[object]:
    """Tensors without what they were computed from, where hooks may wait for the backward pass."""
    return [x.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x for x in given]


def _try_backward(result: Tensor) -> None:
    """Compute gradients, and leave those that are kept with the parameters as they are."""
    leaves = _leaves(result)
    if leaves:
        torch.autograd.grad(result, leaves, torch.ones_like(result), allow_unused=True)


def _leaves(result: Tensor) -> list[Tensor]:
    """The tensors with gradients that it was computed from."""
    nodes, found = {result.grad_fn}, []
    todo = list(nodes)
    while todo:
        node = todo.pop()
        if node is None:
            continue
        if hasattr(node, "variable"):
            found.append(node.variable)
        following = {further for further, _ in node.next_functions} - nodes
        nodes |= following
        todo += following
    return found


def _words(error: Exception) -> str:
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first[:120]}"
