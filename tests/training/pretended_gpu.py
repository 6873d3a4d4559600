"""A GPU where there is none: tensors that say they are on `cuda:0`, and compute on the CPU.

As on a real one, what mixes them with the CPU's tensors is an error, and whoever wants to know a number waits for it:
`Gpu.waits` tells who did. Code that asks a tensor where it is takes the way it takes there, and so do whole stages.
What kernels there do, and how fast, is another matter.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("cuda:0")
_aten = torch.ops.aten
# what takes indices from the CPU, too, as the real kernels do, and what copies from one device to another
_INDEXED = {_aten.index.Tensor, _aten.index_put.default, _aten.index_put_.default, _aten._index_put_impl_.default}
_COPIES = {_aten.copy_.default, _aten._to_copy.default}
# what tells the host a number, or a shape that depends on numbers
_TELLING = {_aten._local_scalar_dense.default, _aten.nonzero.default, _aten.equal.default, _aten._unique2.default}


class OnGpu(Tensor):
    """A tensor on the GPU; `inner` is where it really is."""

    inner: Tensor
    gpu: "Gpu"

    @staticmethod
    def __new__(cls, inner: Tensor, gpu: "Gpu") -> Self:
        made: Self = Tensor._make_wrapper_subclass(
            cls, inner.shape, inner.stride(), inner.storage_offset(), dtype=inner.dtype, device=inner.device
        )
        made.inner, made.gpu = inner, gpu
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return DEVICE

    def __repr__(self) -> str:
        return f"OnGpu({self.inner})"

    def __deepcopy__(self, memo: dict[int, Any]) -> "OnGpu":
        if id(self) not in memo:
            copy = OnGpu(self.inner.detach().clone(), self.gpu)
            memo[id(self)] = torch.nn.Parameter(copy, self.requires_grad) if hasattr(self, "_is_param") else copy
        return memo[id(self)]

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given, _ = tree_flatten((args, kwargs or {}))
        there = [one for one in given if isinstance(one, OnGpu)]
        gpu = there[0].gpu
        gpu.check(func, args, given)
        found = func(*tree_map(_inner, args), **tree_map(_inner, kwargs or {}))
        known = {id(one.inner): one for one in there}  # what is changed in place stays what it was

        def put(one: Any) -> Any:
            return known[id(one)] if id(one) in known else OnGpu(one, gpu) if isinstance(one, Tensor) else one

        return tree_map(put, found)


class Gpu(TorchFunctionMode):
    """While entered, `cuda` is a device. waits: who waited for it, as "file:function", each time."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    def check(self, func: Any, args: Any, given: list[Any]) -> None:
        """Refuse what a real one can't do, and note who waits for it."""
        marked = func in _INDEXED and any(index is not None and index.dtype == torch.bool for index in args[1])
        if func in _TELLING or marked:
            self.wait()
        indices = [id(index) for index in args[1]] if func in _INDEXED else []
        strangers = [one for one in given if isinstance(one, Tensor) and not isinstance(one, OnGpu) and one.ndim]
        strangers = [one for one in strangers if id(one) not in indices]
        if len(indices) > 0 and not isinstance(args[0], OnGpu):
            strangers = [args[0]]
        if strangers and func not in _COPIES:
            raise RuntimeError(f"{func}: expected all tensors to be on the same device, but found cuda:0 and cpu")
        if func is _aten.copy_.default and not all(isinstance(one, OnGpu) for one in args[:2]):
            self.wait()

    def wait(self) -> None:
        """Note who is at work."""
        frame = sys._getframe()
        while frame.f_back and ("/cygnet/" not in frame.f_code.co_filename or "/tests/" in frame.f_code.co_filename):
            frame = frame.f_back
        place = frame.f_code.co_filename.rpartition("/cygnet/")[2]
        self.waits.append(f"{place}:{frame.f_code.co_name}")

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in _HERE:
            return _HERE[func](self, *args, **kwargs)
        if kwargs.get("device") is not None and torch.device(kwargs["device"]).type == "cuda":
            del kwargs["device"]
            with torch._C.DisableTorchFunction():
                made = func(*args, **kwargs)
            return made if isinstance(made, OnGpu) else OnGpu(made, self)
        return func(*args, **kwargs)


def _inner(one: Any) -> Any:
    return one.inner if isinstance(one, OnGpu) else one


class _Move(torch.autograd.Function):
    """A copy on the other side; its gradient goes back."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, gpu: Gpu) -> Tensor:
        ctx.gpu = gpu
        return _moved(tensor, gpu)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _moved(gradients[0], ctx.gpu), None


def _moved(tensor: Tensor, gpu: Gpu) -> Tensor:
    return tensor.inner.clone() if isinstance(tensor, OnGpu) else OnGpu(tensor.detach().clone(), gpu)


def _to(gpu: Gpu, tensor: Tensor, *args: Any, copy: bool = False, **kwargs: Any) -> Tensor:
    if args and isinstance(args[0], Tensor):
        args = (args[0].device, args[0].dtype, *args[1:])
    device, dtype, without_waiting, _ = torch._C._nn._parse_to(*args, **kwargs)
    if device is None or device.type == tensor.device.type:
        rest = {"copy": copy, **({"dtype": dtype} if dtype else {})}
        return Tensor.to(tensor, **rest) if dtype or copy else tensor
    if not (without_waiting and getattr(tensor, "pinned", False)):
        gpu.wait()
    moved: Tensor = _Move.apply(tensor, gpu)  # type: ignore[no-untyped-call]
    return moved.to(dtype) if dtype else moved


def _tolist(gpu: Gpu, tensor: Tensor) -> Any:
    if isinstance(tensor, OnGpu):
        gpu.wait()
    return _inner(tensor).tolist()


def _numpy(_: Gpu, tensor: Tensor, **kwargs: Any) -> Any:
    if isinstance(tensor, OnGpu):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")
    return tensor.numpy(**kwargs)


def _pin(_: Gpu, tensor: Tensor) -> Tensor:
    assert not isinstance(tensor, OnGpu), "only the host's memory can be pinned"
    pinned = tensor.clone()
    pinned.pinned = True  # type: ignore[attr-defined]
    return pinned


_HERE: dict[Any, Callable[..., Any]] = {
    Tensor.to: _to,
    Tensor.cpu: lambda gpu, tensor: _to(gpu, tensor, "cpu"),
    Tensor.tolist: _tolist,
    Tensor.numpy: _numpy,
    Tensor.pin_memory: _pin,
    Tensor.data_ptr: lambda _, tensor: _inner(tensor).data_ptr(),
    Tensor.untyped_storage: lambda _, tensor: _inner(tensor).untyped_storage(),
}


@contextmanager
def pretended_gpu() -> Iterator[Gpu]:
    """While entered, `cuda:0` is a device for tensors; modules that move there get new parameters."""
    grouped = torch._C._group_tensors_by_device_and_dtype

    def by_device(lists: Any, with_indices: bool = False) -> Any:
        """As optimizers ask; the original looks below what tensors say of themselves."""
        found = grouped(lists, with_indices)
        there = isinstance(next(one for one in lists[0] if one is not None), OnGpu)
        return {(DEVICE if there else device, dtype): group for (device, dtype), group in found.items()}

    with pytest.MonkeyPatch.context() as patch, Gpu() as gpu:
        patch.setattr(torch._C, "_group_tensors_by_device_and_dtype", by_device)
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        try:
            yield gpu
        finally:
            torch.__future__.set_overwrite_module_params_on_conversion(False)
