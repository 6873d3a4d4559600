"""Where a stage keeps its work while it runs, and how it is carried out."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cygnet.training.world import World

Sharding = Literal["none", "full"]


@dataclass(frozen=True)
class Work:
    """Folders and settings of one stage's run.

    checkpoints: folder of this stage's step checkpoints.
    metrics: this stage's event file (JSON Lines).
    seed: of everything random in the stage.
    threads: torch threads; the result is reproducible only at the same number.
    progress: whether to print progress.
    world: the processes that share the work.
    sharding: "full" leaves each process its part of the weights and what the optimizers keep; "none" a copy of all.
    recompute: whether a layer's activations are computed again in the backward pass instead of being kept.
    restart: whether training may begin again where all checkpoints are damaged; otherwise that is refused.
    rows_at_once: rows (of reward: prompts; of rl: answers) that a forward pass reads at most; None: all of them.
    """

    checkpoints: Path
    metrics: Path
    seed: int = 1
    threads: int = 2
    progress: bool = True
    world: World = field(default_factory=World)
    sharding: Sharding = "none"
    recompute: bool = False
    restart: bool = False
    rows_at_once: int | None = None
