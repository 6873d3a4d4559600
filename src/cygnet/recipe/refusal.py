"""Refusing to go on where that would throw away what an interrupted step has done, before anything is made."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cygnet.recipe.attempt import Left
from cygnet.recipe.changes import differences, listed
from cygnet.recipe.code import code_version
from cygnet.recipe.lineage import Ingredients, Lineage
from cygnet.recipe.step import Step, upstream


def refuse_changes(steps: Sequence[Step], lineage: Lineage, seed: int) -> None:
    """Raise UserError when an unfinished step can't go on because of what has changed.

    Looked at are its settings and its code, and the settings and the files from outside of all that it depends on: so
    a step before it, which may be long, isn't made anew in vain. What else has changed shows when its turn has come.
    """
    for step in steps:
        left = Left.of(step.name, lineage.folder)
        if left.unfinished(lineage) and not _is_done(step, lineage, seed):
            found = list(dict.fromkeys(_changes(step, steps, left, lineage, seed)))
            if found:
                raise left.refusal(listed(found))


def _is_done(step: Step, lineage: Lineage, seed: int) -> bool:
    """Whether the step was finished as it should be now: what is unfinished was an attempt at another thing."""
    there = all(path.exists() for path in step.inputs)
    return there and lineage.is_done(step.name, step.ingredients(lineage, seed))


def _changes(step: Step, steps: Sequence[Step], left: Left, lineage: Lineage, seed: int) -> Iterator[str]:
    before = left.ingredients
    if before is None:
        yield left.changed(Ingredients({}, {}, ""))
        return
    inputs = _inputs(step, steps, before, lineage)
    yield from differences(before, Ingredients(inputs, {"seed": seed, **step.config}, code_version(step.name)))
    for maker in upstream(step, steps):
        if maker.name in left.key.get("upstream", {}):
            then = Ingredients(**left.key["upstream"][maker.name])
            config = {"seed": then.config["seed"], **maker.config}  # the step's own seed tells
            now = replace(then, inputs=_inputs(maker, steps, then, lineage), config=config)
            yield from differences(then, now, of=maker.name)


def _inputs(step: Step, steps: Sequence[Step], before: Ingredients, lineage: Lineage) -> dict[str, str]:
    """Hashes of the inputs as far as they are known: what other steps make is taken to be what it was."""
    hashes = {}
    for path in step.inputs:
        name = lineage.name(path)
        if not any(maker.makes(path) for maker in steps):
            hashes[name] = lineage.hash_of_input(path)
        elif name in before.inputs:
            hashes[name] = before.inputs[name]
    return hashes
