"""Carry out a graph of steps in a folder: skip what is done, resume what was interrupted."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cygnet.errors import UserError
from cygnet.recipe.attempt import Attempt
from cygnet.recipe.changes import changes
from cygnet.recipe.code import code_version
from cygnet.recipe.lineage import Ingredients, Lineage
from cygnet.stages.config import TrainingConfig
from cygnet.training.work import Work
from cygnet.training.world import World


@dataclass(frozen=True)
class Step:
    """One step of a run.

    inputs: files or folders it reads; those made by other steps are made before it.
    outputs: files or folders it makes, each complete or not at all.
    config: JSON values; with the inputs and the run's seed, everything that decides the outputs.
    action: makes the outputs and returns metrics for `lineage.json`.
    together: whether all processes of a world take part in it, the first one writing; if not, the first one does it.
    """

    name: str
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    config: Mapping[str, Any]
    action: Callable[[Work], dict[str, Any]]
    together: bool = False


@dataclass(frozen=True)
class Manner:
    """How steps are carried out, which changes no result but for the order in which numbers are added."""

    threads: int
    training: TrainingConfig
    world: World

    def work(self, attempt: Attempt, seed: int, progress: bool, together: bool) -> Work:
        """What a step of one process, or of all together, is given."""
        world = self.world if together else World()
        about = self.training.model_dump(exclude={"device"})
        return Work(attempt.checkpoints, attempt.metrics, seed, self.threads, progress, world, **about)

    def record(self, together: bool) -> dict[str, Any]:
        """What an attempt writes down, to tell when it goes on otherwise."""
        return {
            "threads": self.threads,
            "processes": self.world.size if together else 1,
            **self.training.model_dump(exclude={"recompute"}),
        }


def run_steps(
    steps: Sequence[Step],
    folder: Path,
    *,
    title: str,
    seed: int,
    threads: int,
    progress: bool = True,
    training: TrainingConfig = TrainingConfig(),  # noqa: B008 - it is frozen
    world: World = World(),  # noqa: B008 - it is frozen, and alone
) -> Lineage:
    """Carry out the steps of the run `title` in order and return what they were made of.

    A step is skipped when its inputs, its config and its code (see `code_version`) are those it was last made of, and
    its outputs are still there unchanged. One that was interrupted resumes from its checkpoints; if anything it is made
    of has changed since, those are removed, saying what changed, and it starts afresh. Of several processes the first
    decides, and the others take part in the steps that are done together.

    The first process holds `folder` (see `lock.locked`). Raises UserError for a missing input, and whatever the steps
    raise.
    """
    manner = Manner(threads, training, world)
    if not world.first:
        return _follow(steps, folder, title, seed, manner)
    try:
        lineage = _lead(steps, folder, title, seed, manner, progress)
    except BaseException as error:
        world.tell({"failed": type(error).__name__})
        raise
    world.tell({})
    return lineage


def _lead(steps: Sequence[Step], folder: Path, title: str, seed: int, manner: Manner, progress: bool) -> Lineage:
    _sweep(folder, steps)
    lineage = Lineage(folder, title)
    for position, step in enumerate(steps):
        inputs = {lineage.name(path): lineage.hash_of_input(path) for path in step.inputs}
        ingredients = Ingredients(inputs, {"seed": seed, **step.config}, code_version(step.name))
        if lineage.is_done(step.name, ingredients):
            continue
        if progress:
            print(f"[{position + 1}/{len(steps)}] {step.name}{_why(lineage, step, ingredients)}", flush=True)
        attempt = Attempt.begin(step.name, folder, ingredients, manner.record(step.together))
        if step.together:
            manner.world.tell({"step": position, "attempt": [str(attempt.checkpoints), str(attempt.metrics)]})
        metrics = step.action(manner.work(attempt, seed, progress, step.together))
        lineage.add(step.name, ingredients, step.outputs, attempt.finish(), metrics)
    return lineage


def _follow(steps: Sequence[Step], folder: Path, title: str, seed: int, manner: Manner) -> Lineage:
    """Take part in what the first process does together with the others."""
    while order := manner.world.tell():
        if "failed" in order:
            if order["failed"] == "KeyboardInterrupt":
                raise KeyboardInterrupt
            raise UserError("the first process could not go on; it says why.")
        checkpoints, metrics = map(Path, order["attempt"])
        attempt = Attempt(checkpoints, metrics, started=0.0, earlier=0.0)
        steps[order["step"]].action(manner.work(attempt, seed, progress=False, together=True))
    return Lineage(folder, title)


def _why(lineage: Lineage, step: Step, ingredients: Ingredients) -> str:
    """Why a step that was finished is done again; where it left checkpoints, their removal will be told with it."""
    record = lineage.records.get(step.name)
    if record is None:
        return ""
    changed = changes(record.ingredients, ingredients)
    if changed and (lineage.folder / "checkpoints" / step.name).exists():
        return ", again"
    return f", again. Changed: {changed}" if changed else ", again: what it made is gone or was changed"


def _sweep(folder: Path, steps: Sequence[Step]) -> None:
    """Remove what a killed process was still writing aside, in the run's folder and beside outputs elsewhere."""
    outputs = [output for step in steps for output in step.outputs]
    beside = [path for output in outputs for path in output.parent.glob(f".{output.name}.writing-*")]
    for path in {*folder.rglob(".*.writing-*"), *beside}:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
