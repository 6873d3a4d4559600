"""What another memory allocator does for training: the same steps in processes with and without it, in turn.

    apt-get install libjemalloc2     # or name a library: CYGNET_ALLOCATOR=/…/libjemalloc.so.2
    python benchmarks/allocator.py [ROUNDS]

Prints the median time of a step, the peak of memory and the loss after the last step for models of three sizes.
"""

import os
import statistics
import subprocess
import sys

from cygnet import allocator

_STEPS, _SHAPES = 40, [(4, 24, 64), (4, 16, 256), (8, 8, 256)]  # depth, rows and their length

_CHILD = """
import resource, statistics, sys, time
from cygnet.allocator import preload
preload()
import torch
from cygnet.model.config import ModelConfig
from cygnet.model.transformer import Transformer
from cygnet.training.loop import prepare_machine
from cygnet.training.optimizers import muon_and_adamw
depth, rows, length, steps = map(int, sys.argv[1:])
prepare_machine(2)
torch.manual_seed(1)
model = Transformer(ModelConfig.from_depth(depth, 1024, length))
model.compute_dtype = torch.bfloat16
optimizers = muon_and_adamw(model, 0.02, 0.01)
seconds = []
for _ in range(steps):
    tokens = torch.randint(0, 1024, (rows, length + 1))
    began = time.perf_counter()
    loss = torch.nn.functional.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    seconds.append(time.perf_counter() - began)
print(statistics.median(seconds[5:]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, float(loss.detach()))
"""


def main() -> None:
    """Print a line for each size."""
    if allocator.chosen() is None:
        sys.exit("there is no other allocator here: name one as CYGNET_ALLOCATOR")
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    for depth, rows, length in _SHAPES:
        found: dict[str, list[list[float]]] = {"system": [], "preloaded": []}
        for _ in range(rounds):
            for name, runs in found.items():
                runs.append(_run(name, depth, rows, length))
        ratios = [one[0] / other[0] for one, other in zip(found["system"], found["preloaded"], strict=True)]
        print(
            f"depth {depth}, {rows} x {length}: {_of(found['system'], 0) * 1e3:.0f} → "
            f"{_of(found['preloaded'], 0) * 1e3:.0f} ms a step, {statistics.median(ratios):.2f} times as fast "
            f"({', '.join(f'{ratio:.2f}' for ratio in ratios)}); memory {_of(found['system'], 1):.0f} → "
            f"{_of(found['preloaded'], 1):.0f} MiB; losses equal: "
            f"{len({run[2] for runs in found.values() for run in runs}) == 1}"
        )


def _run(which: str, *numbers: int) -> list[float]:
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    if which == "system":
        environment["CYGNET_ALLOCATOR"] = "system"
    command = [sys.executable, "-c", _CHILD, *map(str, [*numbers, _STEPS])]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return [float(part) for part in printed.split()]


def _of(runs: list[list[float]], place: int) -> float:
    return statistics.median(run[place] for run in runs)


if __name__ == "__main__":
    main()
