"""Carry out a graph of steps in a folder: skip what is done, resume what was interrupted."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cygnet.page.formats import plain_duration
from cygnet.recipe.attempt import Attempt, Left
from cygnet.recipe.changes import changes
from cygnet.recipe.lineage import Ingredients, Lineage, Record
from cygnet.recipe.machine import machine_facts, processor_of
from cygnet.recipe.refusal import refuse_changes
from cygnet.recipe.step import Step, upstream
from cygnet.stages.config import TrainingConfig
from cygnet.training.work import Work
from cygnet.training.world import World, refuse_unshared

_LONG = 60  # seconds from which it is said how long something took


@dataclass(frozen=True)
class Manner:
    """How steps are carried out, which changes no result but for the order in which numbers are added.

    restart: whether a step whose checkpoints are all damaged may begin again.
    """

    threads: int
    training: TrainingConfig
    world: World
    restart: bool

    def work(self, attempt: Attempt, seed: int, progress: bool, together: bool) -> Work:
        """What a step of one process, or of all together, is given."""
        world = self.world if together else World()
        about = {**self.training.model_dump(exclude={"device"}), "restart": self.restart}
        return Work(attempt.checkpoints, attempt.metrics, seed, self.threads, progress, world, **about)

    def record(self, together: bool) -> dict[str, Any]:
        """What an attempt writes down, to tell when it goes on otherwise."""
        return {
            "threads": self.threads,
            "processes": self.world.size if together else 1,
            "torch": machine_facts()["torch"],
            "processor": processor_of(self.world.device if together else "cpu"),
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
    restart: bool = False,
    accepted: Callable[[], None] = lambda: None,
) -> Lineage:
    """Carry out the steps of the run `title` in order and return what they were made of.

    A step is skipped when its inputs, its config and its code (see `code_version`) are those it was last made of, and
    its outputs are still there unchanged. One that was interrupted resumes from its checkpoints. If anything it is made
    of has changed since, that is refused, if possible before anything is done, unless `restart` says that it may begin
    again, without its checkpoints. Of several processes the first decides, and the others take part in the steps that
    are done together.

    The first process holds `folder` (see `lock.locked`), and calls `accepted` when nothing is refused. Raises UserError
    for what is refused and for a missing input, and whatever the steps raise.
    """
    manner = Manner(threads, training, world, restart)
    refuse_unshared(folder, world)
    if not world.first:
        return _follow(steps, folder, title, seed, manner)
    lineage = Lineage(folder, title)
    if not restart:
        refuse_changes(steps, lineage, seed)
    accepted()
    _lead(steps, lineage, seed, manner, progress)
    world.tell({})
    return lineage


def _lead(steps: Sequence[Step], lineage: Lineage, seed: int, manner: Manner, progress: bool) -> None:
    _sweep(lineage.folder, steps)
    for position, step in enumerate(steps):
        ingredients = step.ingredients(lineage, seed)
        if lineage.is_done(step.name, ingredients):
            continue
        if progress:
            print(f"[{position + 1}/{len(steps)}] {step.name}{_why(lineage, step, ingredients)}", flush=True)
        left = Left.of(step.name, lineage.folder)
        before = {maker.name: lineage.records[maker.name].ingredients for maker in upstream(step, steps)}
        attempt = Attempt.begin(left, lineage, ingredients, before, manner.record(step.together), manner.restart)
        if step.together:
            manner.world.tell({"step": position, "attempt": [str(attempt.checkpoints), str(attempt.metrics)]})
        metrics = step.action(manner.work(attempt, seed, progress, step.together))
        lineage.add(step.name, ingredients, step.outputs, attempt.finish(), metrics)


def _follow(steps: Sequence[Step], folder: Path, title: str, seed: int, manner: Manner) -> Lineage:
    """Take part in what the first process does together with the others."""
    while order := manner.world.tell():
        checkpoints, metrics = map(Path, order["attempt"])
        attempt = Attempt(checkpoints, metrics, started=0.0, earlier=0.0)
        steps[order["step"]].action(manner.work(attempt, seed, progress=False, together=True))
    return Lineage(folder, title)


def _why(lineage: Lineage, step: Step, ingredients: Ingredients) -> str:
    """Why a step that was finished is done again, and what is lost by it."""
    record = lineage.records.get(step.name)
    if record is None:
        return ""
    changed = changes(record.ingredients, ingredients)
    if not changed:
        return ", again: what it made is gone or was changed"
    return f", again. Changed: {changed}{_replaced(record)}"


def _replaced(record: Record) -> str:
    """What it costs to make a step again by mistake."""
    if record.seconds < _LONG:
        return ""
    return f". What it made in {plain_duration(record.seconds)} stays until it is done again, and is then replaced"


def _sweep(folder: Path, steps: Sequence[Step]) -> None:
    """Remove what a killed process was still writing aside, in the run's folder and beside outputs elsewhere."""
    outputs = [output for step in steps for output in step.outputs]
    beside = [path for output in outputs for path in output.parent.glob(f".{output.name}.writing-*")]
    for path in {*folder.rglob(".*.writing-*"), *beside}:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
