"""A step of a run: what it reads, what it makes, and what decides that."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    together: whether all processes of a world take part in it, the first one writing; if not, the first one does it.
    """

    name: str
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    config: Mapping[str, Any]
    action: Callable[[Work], dict[str, Any]]
    together: bool = False

    def ingredients(self, lineage: Lineage, seed: int) -> Ingredients:
        """What it would be made of now. Raises UserError when an input is not there."""
        inputs = {lineage.name(path): lineage.hash_of_input(path) for path in self.inputs}
        return Ingredients(inputs, {"seed": seed, **self.config}, code_version(self.name))

    def makes(self, path: Path) -> bool:
        """Whether `path` is one of its outputs, or in one."""
        return any(path.is_relative_to(output) for output in self.outputs)


def upstream(step: Step, steps: Sequence[Step]) -> list[Step]:
    """The steps among `steps` on whose outputs it depends, directly or through others."""
    found: list[Step] = []
    inputs = list(step.inputs)
    while inputs:
        path = inputs.pop()
        for maker in steps:
            if maker not in found and maker.makes(path):
                found.append(maker)
                inputs += maker.inputs
    return found
