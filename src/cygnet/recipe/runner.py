"""Carry out a graph of steps in a folder: skip what is done, resume what was interrupted."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cygnet
from cygnet.errors import UserError
from cygnet.recipe.attempt import Attempt
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

    A step is skipped when its inputs, its config and the package's version are those it was last made of, and its
    outputs are still there unchanged. One that was interrupted resumes from its checkpoints; if anything it is made
    of has changed since, those are removed and it starts afresh.

    Raises:
        UserError: when another process works in `folder`, and whatever the steps raise.
    """
    with _locked(folder):
        _sweep(folder)
        lineage = Lineage(folder, title)
        for position, step in enumerate(steps, 1):
            inputs = {lineage.name(path): lineage.hash_of_input(path) for path in step.inputs}
            ingredients = Ingredients(inputs, {"seed": seed, **step.config}, cygnet.__version__)
            if lineage.is_done(step.name, ingredients):
                continue
            if progress:
                print(f"[{position}/{len(steps)}] {step.name}", flush=True)
            attempt = Attempt.begin(step.name, folder, ingredients.hash)
            metrics = step.action(Work(attempt.checkpoints, attempt.metrics, seed, threads, progress))
            lineage.add(step.name, ingredients, step.outputs, attempt.finish(), metrics)
    return lineage


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; the system lets go of it however the process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            raise UserError(
                f"another cygnet (process {handle.read().strip()}) is at work in {folder}. "
                "Wait until it has finished, or choose another --out."
            ) from error
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


def _sweep(folder: Path) -> None:
    """Remove what a killed process was still writing aside."""
    for path in folder.rglob(".*.writing-*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
