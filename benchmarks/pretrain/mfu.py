"""How much of what this machine can multiply a training step uses.

    python benchmarks/pretrain/mfu.py [ROUNDS]

The ceiling is the fastest of several bfloat16 matrix products of the sizes that such models have, measured in every
round beside the steps. A step is all of it: reading a batch, forward, backward, both optimizers. Its work is counted as
6 FLOPs for each weight of the layers and of the output, and each token, and 12 x layers x length x width for attention
(Chowdhery et al. 2022, appendix B).
"""

import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass

from cygnet.allocator import preload

preload()

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from products import ceiling, flops_per_token, timed  # noqa: E402

from cygnet.model.config import ModelConfig  # noqa: E402
from cygnet.model.transformer import Transformer  # noqa: E402
from cygnet.recipe.machine import available_cores, machine_facts  # noqa: E402
from cygnet.training.compiling import compiled  # noqa: E402
from cygnet.training.loop import prepare_machine  # noqa: E402
from cygnet.training.optimizers import muon_and_adamw  # noqa: E402

VOCABULARY, ROWS, LENGTH, SECONDS = 1024, 16, 256, 4.0
WAYS = ((False, 1), (True, 1), (True, 8))  # compiled or not, micro-batches in an update
DEPTHS = {"1M": 4, "10M": 9}
_PRODUCTS = ((4096, 512, 512), (4096, 128, 512), (2048, 384, 1536), (4096, 1024, 1024))


@dataclass
class Case:
    """A model and how its step is taken."""

    name: str
    flops: float
    tokens: int
    step: Callable[[], None]
    seconds: list[float]


def main() -> None:
    """Print a line for each model, as it is and compiled."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    threads = available_cores()
    prepare_machine(threads)
    cases = [case(name, depth, *way) for name, depth in DEPTHS.items() for way in WAYS]
    for one in cases:
        for _ in range(3):
            one.step()
    ceilings = []
    for _ in range(rounds):
        ceilings.append(ceiling(_PRODUCTS))
        for one in cases:
            one.seconds += timed(one.step, SECONDS)
    best = max(ceilings)
    facts = machine_facts()
    print(f"{threads} threads of {facts['cpu']}, torch {facts['torch']}; {ROWS} x {LENGTH} tokens a micro-batch")
    print(f"ceiling: {best / 1e9:.0f} GFLOP/s of bfloat16 ({', '.join(f'{one / 1e9:.0f}' for one in ceilings)})")
    for one in cases:
        median = statistics.median(one.seconds)
        used, most = (100 * one.flops / seconds / best for seconds in (median, min(one.seconds)))
        print(
            f"{one.name:38} {median * 1e3:6.0f} ms a step, {one.tokens / median:7,.0f} tokens a second, "
            f"{used:3.0f} % of the ceiling (fastest step {most:.0f} %)"
        )


def case(name: str, depth: int, quick: bool, parts: int) -> Case:
    """A model, its optimizers, and one whole step of them."""
    torch.manual_seed(1)
    model = Transformer(ModelConfig.from_depth(depth, VOCABULARY, LENGTH))
    model.compute_dtype = torch.bfloat16
    optimizers = muon_and_adamw(model, 0.02, 0.01)

    def mean_loss(tokens: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())

    loss = compiled(mean_loss) if quick else mean_loss

    def step() -> None:
        for _ in range(parts):
            loss(torch.randint(0, VOCABULARY, (ROWS, LENGTH + 1))).backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    shape = model.config
    weights = sum(parameter.numel() for parameter in model.parameters())  # the tied embeddings count as the output
    each = flops_per_token(weights, shape.layers, LENGTH, shape.width)
    label = f"{name} ({weights / 1e6:.1f}M), {'compiled' if quick else 'as it is'}, {parts} x {ROWS * LENGTH} tokens"
    return Case(label, each * parts * ROWS * LENGTH, parts * ROWS * LENGTH, step, [])


if __name__ == "__main__":
    main()
