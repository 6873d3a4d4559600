"""Where a stage keeps its work while it runs."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Work:
    """Folders and settings of one stage's run.

    checkpoints: folder of this stage's step checkpoints.
    metrics: this stage's event file (JSON Lines).
    seed: of everything random in the stage.
    threads: torch threads; the result is reproducible only at the same number.
    progress: whether to print progress.
    """

    checkpoints: Path
    metrics: Path
    seed: int = 1
    threads: int = 2
    progress: bool = True
