"""What saving checkpoints costs a training run: none, in the loop (as it was), and in a thread beside it.

Usage: python benchmarks/checkpoints.py [DEPTH] [UPDATES]

Trains the same model on random tokens with a checkpoint every 5 updates, three times in turn, and prints the median
milliseconds an update takes, those with a checkpoint included, and the megabytes of a checkpoint.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from cygnet.model.config import ModelConfig
from cygnet.model.transformer import Transformer
from cygnet.training.checkpoint import CheckpointWriter, save_checkpoint
from cygnet.training.loop import prepare_machine
from cygnet.training.optimizers import muon_and_adamw

EVERY, ROUNDS = 5, 3


def main(depth: int = 6, updates: int = 20) -> None:
    """Print a line for each way of saving."""
    prepare_machine(threads=1)
    taken: dict[str, list[float]] = {"none": [], "in the loop": [], "in a thread": []}
    for _ in range(ROUNDS):
        for way, found in taken.items():
            with tempfile.TemporaryDirectory() as folder:
                found.append(train(way, Path(folder), depth, updates))
    for way, found in taken.items():
        print(f"{way:12} {1000 * statistics.median(found) / updates:8.1f} ms an update")


def train(way: str, folder: Path, depth: int, updates: int) -> float:
    """Seconds that the updates take, with everything on disk at the end."""
    torch.manual_seed(1)
    model = Transformer(ModelConfig.from_depth(depth, 2048, 128))
    optimizers = muon_and_adamw(model, 0.02, 0.01)
    tokens = torch.randint(0, 2048, (8, 129))
    started = time.perf_counter()
    with CheckpointWriter(folder) as writer:
        for update in range(1, updates + 1):
            F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten()).backward()
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            if update % EVERY == 0 and way != "none":
                state: dict[str, Any] = {
                    "model": model.state_dict(),
                    "optimizers": [o.state_dict() for o in optimizers],
                }
                writer.save(update, state) if way == "in a thread" else save_checkpoint(folder, update, state)
    if way != "none":
        newest = max(folder.glob("step_*/part_0.safetensors"))
        print(f"  a checkpoint has {newest.stat().st_size / 1e6:.0f} MB", file=sys.stderr)
    return time.perf_counter() - started


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
