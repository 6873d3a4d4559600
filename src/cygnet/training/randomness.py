"""Everything that draws random numbers in this process: torch, on each device, numpy and Python's own."""

import random
from typing import Any

import numpy as np
import torch


def seed_all(seed: int) -> None:
    """Begin all of them at `seed`."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - whoever draws from the global one gets the same again
    random.seed(seed)


def random_state() -> dict[str, Any]:
    """Where all of them are, in what a checkpoint can hold."""
    # who trains on the CPU of a machine with GPUs leaves them alone
    on_gpu = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    version, numbers, gauss = random.getstate()
    name, keys, place, has_gauss, cached = np.random.get_state()  # noqa: NPY002 - as above
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if on_gpu else None,
        "numpy": [str(name), torch.from_numpy(np.asarray(keys, np.int64)), int(place), int(has_gauss), float(cached)],
        "python": [version, torch.tensor(numbers), gauss],
    }


def restore_random(state: dict[str, Any]) -> None:
    """Put all of them where they were. A device that there was not is left as it is."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002 - as above
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers.tolist()), gauss))
