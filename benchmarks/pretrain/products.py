"""What a device multiplies in a second, measured and by its maker, and how much of that training a token takes."""

import time
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

Product = tuple[int, int, int]  # rows, inner, columns

# What torch calls a device, and its FLOP/s of dense bfloat16 products with float32 sums. Sources: NVIDIA's data sheets
# of each, which from the A100 on state twice as much for matrices of which half are zeros.
PEAKS = (
    ("H100 PCIe", 756e12),
    ("H100 NVL", 835e12),
    ("H100", 989e12),
    ("H200", 989e12),
    ("B200", 2250e12),
    ("A100", 312e12),
    ("L40S", 362e12),
    ("RTX 4090", 165e12),
)


def flops_per_token(weights: int, layers: int, length: int, width: int) -> int:
    """Of forward and backward: 6 for each weight that multiplies, and those of attention without its causality
    (Chowdhery et al. 2022, appendix B)."""
    return 6 * weights + 12 * layers * length * width


def peak_of(name: str) -> float | None:
    """FLOP/s of dense bfloat16 products by the maker of a device that torch calls `name`, if it is known here."""
    return next((peak for known, peak in PEAKS if known in name), None)


def ceiling(products: Sequence[Product], device: str = "cpu") -> float:
    """FLOP/s of the fastest of several bfloat16 products."""
    best = 0.0
    for rows, inner, columns in products:
        one, other = (torch.randn(side, inner, device=device).bfloat16() for side in (rows, columns))
        seconds = min(timed(lambda one=one, other=other: F.linear(one, other), 0.3, device))
        best = max(best, 2 * rows * inner * columns / seconds)
    return best


def float8_ceiling(products: Sequence[Product], device: str) -> float | None:
    """The same with both factors in 8 bits, scaled as a whole; None where the device has no such product."""
    if not device.startswith("cuda") or torch.cuda.get_device_capability(device) < (8, 9):
        return None
    best, scale = 0.0, torch.ones((), device=device)
    for rows, inner, columns in products:
        one, other = (torch.randn(side, inner, device=device).to(torch.float8_e4m3fn) for side in (rows, columns))

        def multiply(one: torch.Tensor = one, other: torch.Tensor = other) -> torch.Tensor:
            kinds = {"out_dtype": torch.bfloat16, "use_fast_accum": True}
            return torch._scaled_mm(one, other.T, scale, scale, **kinds)  # noqa: SLF001 - torch has no other name for it

        best = max(best, 2 * rows * inner * columns / min(timed(multiply, 0.3, device)))
    return best


def timed(work: Callable[[], object], least: float, device: str = "cpu") -> list[float]:
    """Seconds of each of several calls, five at least; a GPU is waited for."""
    found: list[float] = []
    wait(device)
    while sum(found) < least or len(found) < 5:
        began = time.perf_counter()
        work()
        wait(device)
        found.append(time.perf_counter() - began)
    return found


def wait(device: str) -> None:
    """Until a GPU has done all it was told to."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
