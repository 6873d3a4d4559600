"""Matrices that don't learn, kept in few bits, and what can be learned through them.

As in QLoRA (Dettmers et al. 2023, arXiv 2305.14314), a matrix is unpacked when it is multiplied by, forward and again
backward, and never kept unpacked in between.
"""

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class Packed(Protocol):
    """A matrix that can be unpacked."""

    def dense(self, dtype: torch.dtype) -> Tensor:
        """[rows, columns] in this dtype."""
        ...


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: Packed) -> Tensor:
        ctx.layer = layer
        return F.linear(x, layer.dense(x.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return gradient @ ctx.layer.dense(gradient.dtype), None


def packed_product(x: Tensor, layer: Packed, bias: Tensor | None) -> Tensor:
    """x · Wᵀ + b in `x`'s dtype, [..., columns] → [..., rows]. Gradients reach `x` and the bias, but not W."""
    found = torch.as_tensor(_Product.apply(x, layer))  # type: ignore[no-untyped-call]
    return found if bias is None else found + bias.to(found.dtype)
