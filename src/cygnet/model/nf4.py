"""Weights in 4 bits, for models that stay as they are while an adapter learns (QLoRA, Dettmers et al. 2023, arXiv
2305.14314).

Weights are about normal, so the 16 numbers a code can mean are quantiles of the normal distribution (NormalFloat).
64 neighbors share a scale, the largest of them, and 256 scales are in turn kept in 8 bits between their least and their
largest: 4.13 bits a weight in all. (QLoRA keeps scales in 8-bit floats around their mean.)
"""

from functools import cache
from statistics import NormalDist

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cygnet.model.frozen import packed_product

BLOCK, GROUP = 64, 256  # weights to a scale, scales to a range
_TWICE_AS_WIDE = {2: torch.int32, 4: torch.int64}  # by bytes


def nf4_values() -> list[float]:
    """The 16 numbers from -1 to 1, ascending (QLoRA, appendix E).

    Eight are quantiles from the outermost to 0, evenly apart in probability, below; eight more above; 0 is in both.
    The outermost leaves out half of what a code is worth, on the average of the two sides: ½ (1/32 + 1/30).
    """
    outermost, normal = 1 - (1 / 32 + 1 / 30) / 2, NormalDist()

    def side(count: int) -> list[float]:
        return [normal.inv_cdf(outermost + (0.5 - outermost) * i / count) for i in range(count)]

    values = sorted([*(-value for value in side(7)), 0.0, *side(8)])
    return [value / values[-1] for value in values]


class Nf4Linear(nn.Module):
    """A linear layer [..., columns] → [..., rows] whose matrix can't be trained any more.

    codes: uint8 [weights / 2], two to a byte, the first one in the upper half. scales: uint8, one to a block, between
    the least and the largest of its group, float32 [groups, 2].
    """

    codes: Tensor
    scales: Tensor
    ranges: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        flat = weight.detach().float().flatten()
        blocks = F.pad(flat, (0, -len(flat) % BLOCK)).view(-1, BLOCK)
        scales, ranges = _pack_scales(blocks.abs().amax(dim=1))
        self.register_buffer("scales", scales)
        self.register_buffer("ranges", ranges)
        self.register_buffer("codes", _pack(blocks / self._unpacked_scales().clamp(min=1e-30)[:, None]))
        self.bias = bias

    def dense(self, dtype: torch.dtype) -> Tensor:
        """The matrix [rows, columns]."""
        pairs = _pairs(dtype, self.codes.device).index_select(0, self.codes.int())
        blocks = pairs.view(dtype).view(-1, BLOCK).mul_(self._unpacked_scales().to(dtype)[:, None])
        return blocks.flatten()[: self.out_features * self.in_features].view(self.out_features, self.in_features)

    def product(self, x: Tensor) -> Tensor:
        """x · Wᵀ + b in `x`'s dtype."""
        return packed_product(x, self, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output."""
        return self.product(x)

    def _unpacked_scales(self) -> Tensor:
        low, high = self.ranges[:, :1], self.ranges[:, 1:]
        whole = F.pad(self.scales, (0, -len(self.scales) % GROUP)).view(-1, GROUP)
        return torch.addcmul(low, whole.float() / 255, high - low).flatten()[: len(self.scales)]


def _pack_scales(scales: Tensor) -> tuple[Tensor, Tensor]:
    """[blocks] scales → uint8 [blocks], and [groups, 2] what 0 and 255 mean."""
    groups = torch.split(scales, GROUP)
    ranges = torch.stack([torch.stack([group.min(), group.max()]) for group in groups])
    low, high = ranges.repeat_interleave(GROUP, dim=0)[: len(scales)].unbind(1)
    return ((scales - low) / (high - low).clamp(min=1e-30) * 255).round().to(torch.uint8), ranges


def _pack(shares: Tensor) -> Tensor:
    """[blocks, BLOCK] weights as shares of their scale → uint8 codes of the nearest values, two to a byte."""
    values = torch.tensor(nf4_values(), device=shares.device)
    codes = torch.bucketize(shares, (values[1:] + values[:-1]) / 2).to(torch.uint8)
    upper, lower = codes.view(-1, 2).unbind(1)
    return upper << 4 | lower


@cache
def _pairs(dtype: torch.dtype, device: torch.device) -> Tensor:
    """[256] what each byte means: two numbers, seen as one of twice the width, which are looked up in a fourth of the
    time."""
    values = torch.tensor(nf4_values(), dtype=dtype, device=device)
    return torch.cartesian_prod(values, values).view(_TWICE_AS_WIDE[dtype.itemsize]).flatten()
