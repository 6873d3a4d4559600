"""One side of gpu.py, in a process of its own: `gpu_side.py SIDE SIZE ROWS SETTINGS`. It ends with a line of JSON.

That says what was found, or that the device's memory did not suffice for so many rows at once. The side `float8`
trains nothing, but measures products.
"""

import json
import sys
import time
from typing import Any

import torch
from gpu_models import build
from gpu_shapes import SIZES, Side
from products import Product, ceiling, float8_ceiling, wait

_PRODUCTS: dict[str, tuple[Product, ...]] = {
    "cuda": ((8192, 8192, 8192), (16384, 2048, 8192), (16384, 8192, 2048)),
    "cpu": ((512, 512, 512),),
}


def main() -> None:
    """Find out how fast the side is, and tell."""
    side, size, rows, settings = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
    if settings["threads"]:
        torch.set_num_threads(settings["threads"])
    device = settings["device"]
    products = _PRODUCTS[device.partition(":")[0]]
    found: dict[str, Any] = {"product": ceiling(products, device)}
    try:
        if side == "float8":
            found["float8"] = float8_ceiling(products, device)
        else:
            found |= measure(side, size, rows, settings)
    except RuntimeError as error:  # in compiled code it comes wrapped
        if not isinstance(error, torch.OutOfMemoryError) and "out of memory" not in str(error).lower():
            raise
        found = {"out_of_memory": True}
    print(json.dumps(found), flush=True)


def measure(name: str, size: str, rows: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Seconds of each update, after some that are not counted, and the most memory it took."""
    device, shape = settings["device"], SIZES[size]
    torch.manual_seed(1)
    side = build(name, shape, rows, settings)
    spread = torch.rand(settings["tokens"] // shape.length, shape.length + 1)
    ids = (spread**4 * shape.vocabulary).long()  # some more often than others, so that there is something to learn
    began = time.perf_counter()
    losses = [side.update(ids)]
    first = time.perf_counter() - began
    losses += [side.update(ids) for _ in range(settings["warm"] - 1)]
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    seconds = _seconds(side, ids, losses, settings["steps"], device)
    memory = torch.cuda.max_memory_allocated(device) if device.startswith("cuda") else None
    return {
        "first": first,
        "seconds": seconds,
        "memory": memory,
        "weights": side.weights,
        "parameters": sum(parameter.numel() for parameter in side.model.parameters()),
        "losses": losses,
    }


def _seconds(side: Side, ids: torch.Tensor, losses: list[float], steps: int, device: str) -> list[float]:
    """Of each of so many updates, whose losses are added to `losses`."""
    found = []
    for _ in range(steps):
        wait(device)
        began = time.perf_counter()
        losses.append(side.update(ids))
        wait(device)
        found.append(time.perf_counter() - began)
    return found


if __name__ == "__main__":
    main()
