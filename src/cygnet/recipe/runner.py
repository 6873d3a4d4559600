"""Carry out a graph of steps in a folder: skip what is done, resume what was interrupted."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cygnet.recipe.attempt import Attempt
from cygnet.recipe.code import code_version
from cygnet.recipe.lineage import Ingredients, Lineage
from cygnet.training.work import Work


@dataclass(frozen=True)
class Step:
    """One step of a run.

    inputs: files or folders it reads; those made by other steps are made before it.
    outputs: files or folders it makes, each complete or not at all.
    config: JSON values; with the inputs and the run's seed, everything that decides the outputs.
    action: makes the outputs and returns metrics for `lineage.json`.
    """

    name: str
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    config: Mapping[str, Any]
    action: Callable[[Work], dict[str, Any]]


def run_steps(
    steps: Sequence[Step], folder: Path, *, title: str, seed: int, threads: int, progress: bool = True
) -> Lineage:
    """Carry out the steps of the run `title` in order and return what they were made of.

    A step is skipped when its inputs, its config and its code (see `code_version`) are those it was last made of, and
    its outputs are still there unchanged. One that was interrupted resumes from its checkpoints; if anything it is made
    of has changed since, those are removed and it starts afresh.

    The caller holds `folder` (see `lock.locked`). Raises UserError for a missing input, and whatever the steps raise.
    """
    _sweep(folder, steps)
    lineage = Lineage(folder, title)
    for position, step in enumerate(steps, 1):
        inputs = {lineage.name(path): lineage.hash_of_input(path) for path in step.inputs}
        ingredients = Ingredients(inputs, {"seed": seed, **step.config}, code_version(step.name))
        if lineage.is_done(step.name, ingredients):
            continue
        if progress:
            print(f"[{position}/{len(steps)}] {step.name}", flush=True)
        attempt = Attempt.begin(step.name, folder, ingredients.hash, threads)
        metrics = step.action(Work(attempt.checkpoints, attempt.metrics, seed, threads, progress))
        lineage.add(step.name, ingredients, step.outputs, attempt.finish(), metrics)
    return lineage


def _sweep(folder: Path, steps: Sequence[Step]) -> None:
    """Remove what a killed process was still writing aside, in the run's folder and beside outputs elsewhere."""
    outputs = [output for step in steps for output in step.outputs]
    beside = [path for output in outputs for path in output.parent.glob(f".{output.name}.writing-*")]
    for path in {*folder.rglob(".*.writing-*"), *beside}:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
