"""Four bits: the published numbers, a bounded error, and gradients that are those of the unpacked matrix."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from cygnet.model.int8 import Int8Linear
from cygnet.model.nf4 import BLOCK, GROUP, Nf4Linear, nf4_values

# Dettmers et al. 2023, appendix E
PUBLISHED = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635),
    *(-0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725),
    *(0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)


def test_the_values_are_the_published_ones() -> None:
    assert nf4_values() == pytest.approx(PUBLISHED, abs=2e-7)


@pytest.mark.parametrize("shape", [(96, 64), (5, 7), (300, 70), (1, 1), (130, 2 * BLOCK)])
def test_no_weight_moves_further_than_half_the_widest_gap(shape: tuple[int, int]) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * torch.logspace(-2, 2, shape[0])[:, None]
    found = Nf4Linear(weight).dense(torch.float32)
    assert found.shape == weight.shape
    flat = F.pad(weight.flatten(), (0, -weight.numel() % BLOCK)).view(-1, BLOCK)
    off = F.pad((found - weight).flatten(), (0, -weight.numel() % BLOCK)).view(-1, BLOCK).abs().amax(1)
    largest = flat.abs().amax(1)
    gap = max(b - a for a, b in pairwise(PUBLISHED))
    for start in range(0, len(largest), GROUP):  # a scale is off by half a 255th of its group's range at most
        group = slice(start, start + GROUP)
        rounded = (largest[group].max() - largest[group].min()) / 255 / 2
        assert (off[group] <= (largest[group] + rounded) * gap / 2 + 1.001 * rounded + 1e-7 * largest.max()).all()


def test_of_normal_weights_it_loses_what_the_paper_says_and_takes_4_13_bits() -> None:
    weight = torch.randn(512, 512, generator=torch.Generator().manual_seed(0))
    layer = Nf4Linear(weight)
    assert (layer.dense(torch.float32) - weight).abs().mean() < 0.075
    held = sum(buffer.numel() * buffer.element_size() for buffer in layer.buffers())
    assert 8 * held / weight.numel() == pytest.approx(4.129, abs=0.005)


def test_zeros_and_the_ends_of_blocks_are_exact() -> None:
    assert not Nf4Linear(torch.zeros(3, 50)).dense(torch.float32).any()
    weight = torch.zeros(2, BLOCK)
    weight[0, 3], weight[1, 60] = 2.0, -0.5
    assert torch.equal(Nf4Linear(weight).dense(torch.float32), weight)


@pytest.mark.parametrize("kind", [Nf4Linear, Int8Linear])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_are_those_of_the_unpacked_matrix(kind, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    bias = torch.nn.Parameter(torch.randn(24))
    layer = kind(torch.randn(24, 40), bias)
    dense = layer.dense(dtype)
    results = []
    for product in (layer.product, lambda x: F.linear(x, dense) + bias.to(dtype)):
        x = torch.randn(2, 5, 40, generator=torch.Generator().manual_seed(1)).to(dtype).requires_grad_()
        bias.grad = None
        found = product(x)
        found.square().sum().backward()
        assert x.grad is not None
        results.append((found.detach(), x.grad, bias.grad))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected)


def test_nothing_unpacked_is_kept_for_the_backward_pass() -> None:
    kept: list[torch.Size] = []
    layer = Nf4Linear(torch.randn(64, 128))
    x = torch.randn(3, 128, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: (kept.append(tensor.shape), tensor)[1], lambda it: it):
        layer(layer(x)[..., :64].repeat(1, 2)).sum().backward()
    assert not [shape for shape in kept if shape.numel() >= 64 * 128]
