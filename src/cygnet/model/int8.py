"""Weights in 8 bits: a quarter of the memory, and of what decoding must read for every token.

Each row of a matrix has a scale of its own, as in LLM.int8() (Dettmers et al. 2022, arXiv 2208.07339), which rounds
activations too: here they stay bfloat16. The products are torch's.
"""

import torch
from torch import Tensor, nn

from cygnet.model.frozen import packed_product


class Int8Linear(nn.Module):
    """A linear layer [..., columns] → [..., rows] that can't be trained any more."""

    weight: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        scale = weight.abs().amax(dim=1).clamp(min=1e-12).float() / 127
        self.register_buffer("weight", (weight.float() / scale[:, None]).round().to(torch.int8))
        self.register_buffer("scale", scale.bfloat16())
        self.bias = bias

    def dense(self, dtype: torch.dtype) -> Tensor:
        """The matrix [rows, columns]."""
        return self.weight.to(dtype) * self.scale.to(dtype)[:, None]

    def product(self, x: Tensor) -> Tensor:
        """x · Wᵀ + b in `x`'s dtype."""
        quick = x.dtype == torch.bfloat16 and x.device.type == "cpu"  # a GPU's kernel does without its tensor cores
        if not quick or (torch.is_grad_enabled() and x.requires_grad):
            return packed_product(x, self, self.bias)
        flat = x.reshape(-1, x.shape[-1]).contiguous()
        found = torch._weight_int8pack_mm(flat, self.weight, self.scale).view(*x.shape[:-1], -1)  # noqa: SLF001 - torch has no public name for it
        return found if self.bias is None else found + self.bias.to(found.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output."""
        return self.product(x)


class Int8Embedding(Int8Linear):
    """An embedding matrix, which may also be the output matrix: `product` is for that."""

    def forward(self, ids: Tensor) -> Tensor:
        """[...] token ids → [..., columns]."""
        return self.weight[ids].to(self.scale.dtype) * self.scale[ids][..., None]


@torch.no_grad()
def quantize(module: nn.Module) -> None:
    """Put all matrices of a module into 8 bits, in place; everything else becomes bfloat16."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, Int8Linear(child.weight, child.bias))
        elif isinstance(child, nn.Embedding):
            setattr(module, name, Int8Embedding(child.weight))
        else:
            quantize(child)
    for name, parameter in module.named_parameters(recurse=False):
        setattr(module, name, nn.Parameter(parameter.bfloat16(), requires_grad=False))
