"""A model over several processes: its gradients summed, or its weights sharded (FSDP2), and how to have it whole again.

Nothing in the model knows of this. Sharded parameters are DTensors: each process holds some of their rows.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import MethodType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cygnet.training.work import Work
from cygnet.training.world import World

_TOGETHER = 8_000_000  # numbers of gradients that travel in one message

Model = TypeVar("Model", bound=nn.Module)


def spread(model: nn.Module, work: Work) -> None:
    """Move `model` to this process's device, or its shard, layer by layer, if `work` says so. Before its optimizers!"""
    layers = layers_of(model)
    if work.recompute:
        for layer in layers:
            layer.forward = partial(recomputed, layer)
    if work.sharding == "none" or work.world.size == 1:
        model.to(work.world.device)
        return
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh(torch.device(work.world.device).type, (work.world.size,))
    for module in [*layers, model]:
        fully_shard(module, mesh=mesh)  # moves one layer at a time: of the whole model a device may have no room
    # nothing here changes an output in place, which is what it warns of
    warnings.filterwarnings("ignore", message=r"FSDP2-wrapped module .* returned a view tensor")
    if hasattr(model, "features"):  # language models are entered there, not through `forward`
        register_fsdp_forward_method(model, "features")
        _enter_once(model)


def layers_of(model: nn.Module) -> list[nn.Module]:
    """The layers of its trunk, which are sharded, recomputed and compiled one by one."""
    return [layer for module in model.modules() if isinstance(module, nn.ModuleList) for layer in module]


def recomputed(layer: nn.Module, *inputs: Any) -> Tensor:
    """`layer` as its class has it, of which nothing but the inputs is kept for the backward pass (Chen et al. 2016).

    No random numbers are put back for it: a layer draws none.
    """
    forward = partial(type(layer).forward, layer)
    if not torch.is_grad_enabled():
        return torch.as_tensor(forward(*inputs))
    return torch.as_tensor(checkpoint(forward, *inputs, use_reentrant=False, preserve_rng_state=False))


def sum_gradients(parameters: Iterable[nn.Parameter], world: World) -> None:
    """Sum the gradients over all processes.

    Whole ones travel in messages whose layout is always the same, so that floats are added in the same order after an
    interruption as before; DDP's buckets change after the first update. Sharded ones came back from the backward pass
    as shards of the mean.
    """
    if world.size == 1:
        return
    found = [parameter.grad for parameter in parameters if parameter.grad is not None]
    sharded = [gradient for gradient in found if is_sharded(gradient)]
    if sharded:
        torch._foreach_mul_(sharded, float(world.size))
    for group in _messages([gradient for gradient in found if not is_sharded(gradient)]):
        flat = torch.cat([gradient.flatten() for gradient in group])
        torch.distributed.all_reduce(flat)
        parts = torch.split(flat, [gradient.numel() for gradient in group])
        for gradient, part in zip(group, parts, strict=True):
            gradient.copy_(part.view_as(gradient))


def is_sharded(tensor: Tensor) -> bool:
    """Whether this process holds only a part of the tensor."""
    return hasattr(tensor, "full_tensor")


def full(tensor: Tensor) -> Tensor:
    """The whole tensor. Of a sharded one all processes must ask together."""
    return torch.as_tensor(tensor.full_tensor()) if is_sharded(tensor) else tensor  # type: ignore[attr-defined]


def local(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor: its rows of a sharded one."""
    return torch.as_tensor(tensor.to_local()) if is_sharded(tensor) else tensor  # type: ignore[attr-defined]


def all_rows(tensor: Tensor) -> list[range]:
    """Which rows of a sharded tensor each process holds: torch deals them out as `torch.chunk` does."""
    from torch.distributed.tensor import DTensor, Shard

    assert isinstance(tensor, DTensor)
    assert tensor.placements == (Shard(0),)
    count, size = len(tensor), tensor.device_mesh.size()
    each = -(-count // size)
    return [range(min(count, rank * each), min(count, (rank + 1) * each)) for rank in range(size)]


def own_rows(tensor: Tensor) -> range:
    """Which of them this process holds."""
    from torch.distributed.tensor import DTensor

    assert isinstance(tensor, DTensor)
    return all_rows(tensor)[tensor.device_mesh.get_local_rank()]


@contextmanager
def gathered(model: nn.Module) -> Iterator[None]:
    """The weights of a sharded model whole in every process while the block runs, so that one alone can use it.

    All processes enter and leave together.
    """
    sharded = _sharded_modules(model)
    for module in sharded:
        module.unshard()
        module.set_reshard_after_forward(False)
    try:
        yield
    finally:
        inner = {part for module in sharded for part in module.modules() if part is not module}
        for module in sharded:
            module.reshard()
            module.set_reshard_after_forward(module in inner)


@contextmanager
def usable_by_all(model: nn.Module) -> Iterator[None]:
    """For forward passes without backward ones, all processes going together: sharded weights are shards again after.

    FSDP gathers layer by layer and lets go of each, but of what is in no layer only after a backward pass.
    """
    try:
        yield
    finally:
        for module in _sharded_modules(model):
            module.reshard()


@contextmanager
def agreeing(model: nn.Module) -> Iterator[None]:
    """Let all processes decode the same with a sharded model: the first one's logits count in all of them.

    So they choose the same tokens and go forward equally often, though floats may differ from machine to machine.
    """
    if not _sharded_modules(model):
        yield
        return
    own: Any = model.logits

    def agreed(features: Tensor) -> Tensor:
        logits: Tensor = own(features).contiguous()
        torch.distributed.broadcast(logits, 0)
        return logits

    model.logits = agreed  # type: ignore[assignment]
    try:
        yield
    finally:
        del model.logits


def whole_model(model: Model, build: Callable[[], Model], world: World) -> Model:
    """`model` itself or, if it is sharded, one that `build` makes, with its weights, in the first process."""
    if not _sharded_modules(model):
        return model
    state = {}
    for name, tensor in model.state_dict().items():
        found = full(tensor)  # of all processes, one after the other
        if world.first:
            state[name] = found.cpu()
    if not world.first:
        return model
    whole = build()
    whole.load_state_dict(state)
    return whole


def on_device(batch: Any, device: str | torch.device) -> Any:
    """A batch with its tensors on `device`: a tensor, or a NamedTuple of tensors, such tuples and other things.

    To a GPU they travel from pinned memory while it is at work; for other copies one waits until it has done all else.
    """
    if isinstance(batch, Tensor):
        if torch.device(device).type == "cuda" and batch.device.type == "cpu":
            return batch.pin_memory().to(device, non_blocking=True)
        return batch.to(device)
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(on_device(value, device) for value in batch))
    return batch


def _enter_once(model: nn.Module) -> None:
    """While in `forward`, `features` is what it was: FSDP would take its end for the end of the model and shard it."""
    entrance, inner = model.features, MethodType(type(model).features, model)  # type: ignore[attr-defined]
    model.register_forward_pre_hook(lambda *_: setattr(model, "features", inner))
    model.register_forward_hook(lambda *_: setattr(model, "features", entrance), always_call=True)


def _sharded_modules(model: nn.Module) -> list[Any]:
    if not any(is_sharded(parameter) for parameter in model.parameters()):
        return []
    from torch.distributed.fsdp import FSDPModule

    return [module for module in model.modules() if isinstance(module, FSDPModule)]


def _messages(gradients: list[Tensor]) -> Iterator[list[Tensor]]:
    """Neighbors of one kind together, up to a size."""
    group: list[Tensor] = []
    size = 0
    for gradient in gradients:
        if group and (size + gradient.numel() > _TOGETHER or group[0].dtype != gradient.dtype):
            yield group
            group, size = [], 0
        group.append(gradient)
        size += gradient.numel()
    if group:
        yield group
