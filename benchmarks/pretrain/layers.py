"""What compiling the layers is worth where the model can't be compiled whole: sharded, or recomputed.

    torchrun --nproc-per-node 2 benchmarks/pretrain/layers.py [ROUNDS [DEPTH]]
    python benchmarks/pretrain/layers.py [ROUNDS [DEPTH]]

Updates of 16 x 256 tokens in bfloat16, one thread a process, those with compiled layers and those as they are in turn,
so that the machine's own ups and downs fall on both. Several processes shard the weights (FSDP2); one, alone, shows
what recomputing makes of it. Medians, and the ratio of each round, by the clock and in the first process's seconds of
computing, which say more where other work goes on.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from cygnet.model.config import ModelConfig
from cygnet.model.transformer import Transformer
from cygnet.stages.held_out import token_nats
from cygnet.tokens.packing import Rows, collate
from cygnet.training.compiling import compile_layers
from cygnet.training.distribution import spread
from cygnet.training.loop import Loss, prepare_machine, update
from cygnet.training.optimizers import muon_and_adamw
from cygnet.training.shares import parts
from cygnet.training.work import Work
from cygnet.training.world import World, joined

VOCABULARY, ROWS, LENGTH = 1024, 16, 256


class Reading:
    """Next-token prediction on random rows."""

    name, counts = "reading", "tokens"

    def __init__(self, model: Transformer, work: Work) -> None:
        self.model, self.work = model, work

    def micro_batches(self, step: int) -> list[Rows]:
        """This process's rows."""
        rng = torch.Generator().manual_seed(step)
        rows = torch.randint(8, VOCABULARY, (ROWS, LENGTH + 1), generator=rng)
        return [collate([[row.tolist()] for row in part], None, LENGTH, 0) for part in parts(list(rows), self.work)]

    def loss(self, batch: Rows) -> Loss:
        """Cross-entropy in nats."""
        nats = token_nats(self.model, batch) * batch.weights
        return Loss(nats.sum(), batch.weights.sum(), {})


def main() -> None:
    """Print a line for training with and without recomputation."""
    rounds, depth = (int(word) for word in (*sys.argv[1:], *("15", "9")[len(sys.argv) - 1 :]))
    prepare_machine(1)
    with joined() as world:
        for recompute in (False, True):
            compare(depth, rounds, recompute, world)


def compare(depth: int, rounds: int, recompute: bool, world: World) -> None:
    """Time updates as they are and with compiled layers."""
    plain, quick = (updates(depth, recompute, layers, world) for layers in (False, True))
    first, _ = quick(0)
    plain(0)
    pairs = [(plain(number), quick(number)) for number in range(1, rounds + 1)]
    if not world.first:
        return
    print(f"{world.size} processes, {'recomputed' if recompute else 'kept'}; the first update {first:.1f} s")
    for place, kind in enumerate(("clock", "computing")):
        found = [(one[place], other[place]) for one, other in pairs]
        ratios = sorted(one / other for one, other in found)
        before, after = (1e3 * statistics.median(times) for times in zip(*found, strict=True))
        print(
            f"  {kind:9}: {before:6.0f} ms an update as it is, {after:6.0f} with compiled layers, "
            f"{statistics.median(ratios):.2f} times as fast ({ratios[0]:.2f} to {ratios[-1]:.2f})",
            flush=True,
        )


def updates(depth: int, recompute: bool, layers: bool, world: World) -> Callable[[int], tuple[float, float]]:
    """A function that makes one update; it returns seconds by the clock, and of computing in this process."""
    torch.manual_seed(1)
    model = Transformer(ModelConfig.from_depth(depth, VOCABULARY, LENGTH))
    model.compute_dtype = torch.bfloat16
    work = Work(Path(), Path(), world=world, sharding="full", recompute=recompute)
    spread(model, work)
    if layers:
        compile_layers(model, work)
    optimizers = muon_and_adamw(model, 0.02, 0.01, world)
    stage = Reading(model, work)

    def run(step: int) -> tuple[float, float]:
        began = time.perf_counter(), time.process_time()
        update(model, optimizers, stage, step, 0.0, world)
        return time.perf_counter() - began[0], time.process_time() - began[1]

    return run


if __name__ == "__main__":
    main()
