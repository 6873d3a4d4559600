"""Attention in training, forward and backward, by torch's fused kernel and by matrix products, in turn.

    python benchmarks/pretrain/attention.py [ROUNDS]

Rows hold several documents, as in pretraining. Medians of ROUNDS rounds.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch

from cygnet.model.attention import additive, attend
from cygnet.recipe.machine import available_cores
from cygnet.training.loop import prepare_machine

SHAPES = ((24, 4, 64, 32), (16, 4, 256, 32), (16, 8, 256, 48), (8, 4, 512, 32), (4, 4, 1024, 64), (2, 4, 2048, 64))


def main() -> None:
    """Print a line for each shape and precision."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    prepare_machine(available_cores())
    for dtype in (torch.bfloat16, torch.float32):
        for shape in SHAPES:
            compare(shape, dtype, rounds)


def compare(shape: tuple[int, int, int, int], dtype: torch.dtype, rounds: int) -> None:
    """Print the medians of both ways, and how far each is from float64."""
    rows, heads, length, width = shape
    torch.manual_seed(1)
    given = torch.randn(rows, length, 3 * heads, width, dtype=dtype, requires_grad=True)
    q, k, v = given.transpose(1, 2).split(heads, 1)
    owner = torch.randint(0, 4, (rows, length)).sort()[0]
    earlier = torch.ones(length, length, dtype=torch.bool).tril()
    mask = ((owner[:, :, None] == owner[:, None, :]) & earlier)[:, None]
    added = additive(mask, length, dtype, q.device)
    gradient = torch.randn(rows, heads, length, width, dtype=dtype)
    exact = attend(q.double(), k.double(), v.double(), mask).detach()
    ways = {"fused": lambda: attend(q, k, v, mask), "products": lambda: attend(q, k, v, added)}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seconds[name].append(timed(way, gradient))
    fused, products = (statistics.median(found) * 1e3 for found in seconds.values())
    off = [float((way().detach().double() - exact).abs().mean() / exact.abs().mean()) for way in ways.values()]
    what = f"{str(dtype).removeprefix('torch.'):9} {rows:3} x {length:4}, {heads} heads of {width}"
    print(
        f"{what}: fused {fused:6.1f} ms, products {products:6.1f} ms ({fused / products:.1f} times as fast); "
        f"mean error {off[0]:.1e}, {off[1]:.1e}"
    )


def timed(way: Callable[[], torch.Tensor], gradient: torch.Tensor) -> float:
    """Seconds of one forward and backward pass."""
    began = time.perf_counter()
    way().backward(gradient, retain_graph=True)  # type: ignore[no-untyped-call]
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
