"""What two parts of a step are worth: attention in blocks of queries, and Muon's polynomial as fused products.

    python benchmarks/pretrain/step_parts.py [ROUNDS]

Compiled steps of 16 x 256 tokens at one and at ten million parameters, by all four ways in turn, in one process, so
that the machine's own ups and downs fall on all of them. Medians of ROUNDS rounds.
"""

import itertools
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from mfu import DEPTHS, LENGTH, ROWS, VOCABULARY
from torch import Tensor

from cygnet.model import attention
from cygnet.model.config import ModelConfig
from cygnet.model.transformer import Transformer
from cygnet.recipe.machine import available_cores
from cygnet.training import optimizers
from cygnet.training.compiling import compiled
from cygnet.training.loop import prepare_machine

BLOCKS = (LENGTH, 128)  # all queries together, and as they are taken


def main() -> None:
    """Print a line for each way of each model."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    prepare_machine(available_cores())
    for name, depth in DEPTHS.items():
        for way, (passes, updates) in measure(depth, rounds).items():
            print(f"{name}, {way}: forward and backward {passes:6.1f} ms, optimizers {updates:6.1f} ms", flush=True)


def measure(depth: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Milliseconds of forward and backward, and of both optimizers, by each way."""
    torch.manual_seed(1)
    model = Transformer(ModelConfig.from_depth(depth, VOCABULARY, LENGTH))
    model.compute_dtype = torch.bfloat16
    muon, adamw = optimizers.muon_and_adamw(model, 0.02, 0.01)

    def mean_loss(tokens: Tensor, block: int) -> Tensor:  # compiled for each size of block
        del block
        return F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())

    losses = {block: compiled(mean_loss) for block in BLOCKS}
    fused = {"fused": optimizers.orthogonalize, "unfused": unfused}
    found: dict[str, list[tuple[float, float]]] = {}
    for number, block, (how, polynomial) in itertools.product(range(rounds + 1), BLOCKS, fused.items()):
        attention.BLOCK, optimizers.orthogonalize = block, polynomial
        began = time.perf_counter()
        losses[block](torch.randint(0, VOCABULARY, (ROWS, LENGTH + 1)), block).backward()
        between = time.perf_counter()
        for optimizer in (muon, adamw):
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if number:  # the first round compiles
            times = between - began, time.perf_counter() - between
            found.setdefault(f"blocks of {block}, {how:7}", []).append(times)
    optimizers.orthogonalize = fused["fused"]
    return {
        way: (1e3 * statistics.median(passes), 1e3 * statistics.median(updates))
        for way, (passes, updates) in ((way, zip(*times, strict=True)) for way, times in found.items())
    }


def unfused(stack: Tensor, steps: int = 5) -> Tensor:
    """`orthogonalize` with sums of their own."""
    a, b, c = optimizers.NEWTON_SCHULZ
    x = stack.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


if __name__ == "__main__":
    main()
