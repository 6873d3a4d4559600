"""Does the lab keep its word? python benchmarks/lab.py [MODEL]

Three kinds of exercises that the pocket recipe teaches, 280 examples each, for a model raised by it (runs/pocket/sft if
none is named). The lab picks a way of asking and states its accuracy on its held-out items with a 95 % interval. Then
the pick is put to 400 fresh items, which the lab never saw: does their accuracy lie in the interval?
"""

import json
import sys
import tempfile
from pathlib import Path

from cygnet.corpus.tasks import exercises
from cygnet.errors import UserError
from cygnet.lab import find_model, load_task, run_lab
from cygnet.lab.checks import Check
from cygnet.lab.measure import Measured
from cygnet.lab.terminal import Terminal
from cygnet.techniques.base import Technique

FAMILIES = ("addition", "lists", "strings")  # those with thousands of questions
EXAMPLES, FRESH = 280, 400
TASK = """
examples = "{family}.jsonl"

[check]
kind = "exact"
after = "Answer:"

[asking]
instructions = "Write your steps, then the answer."
topic = "Python"
max_new_tokens = 96
reasoning_tokens = 96
samples = 5
shots = 2
"""


def main(address: str = "runs/pocket/sft", examples: int = EXAMPLES, fresh: int = FRESH) -> None:
    """Print the lab's own tables, then one line a task."""
    model = find_model(address)
    lines = []
    for family in FAMILIES:
        items = draw(family, examples + fresh)
        with tempfile.TemporaryDirectory() as folder:
            task = write_task(Path(folder), family, items[:examples])
            loaded = load_task(task)
            with Terminal(loaded) as terminal:
                climbed = run_lab(loaded, model, Path(folder) / "lab", terminal)
                terminal.conclude(climbed)
        if climbed.picks is None:
            raise UserError(f"the lab picked nothing for {family}.")
        for kind, rung in (("best", climbed.picks.best), ("cheapest", climbed.picks.cheapest)):
            stated = climbed.picks.held_out[rung]
            accuracy = share_right(stated.technique, loaded.check, items[examples:])
            lines.append(verdict(family, kind, stated, accuracy, fresh))
    print("\n" + "\n".join(lines))


def draw(family: str, count: int) -> list[tuple[str, str]]:
    """Different questions with their answers."""
    found: dict[str, str] = {}
    for exercise in exercises("test", 1, (family,)):
        found[exercise.prompt] = exercise.answer
        if len(found) == count:
            return list(found.items())
    raise AssertionError("exercises are endless")


def write_task(folder: Path, family: str, items: list[tuple[str, str]]) -> Path:
    """A task file and its examples."""
    rows = "".join(json.dumps({"input": question, "answer": answer}) + "\n" for question, answer in items)
    (folder / f"{family}.jsonl").write_text(rows)
    (folder / f"{family}.toml").write_text(TASK.format(family=family))
    return folder / f"{family}.toml"


def share_right(technique: Technique, check: Check, items: list[tuple[str, str]]) -> float:
    """Share of items that a technique answers right."""
    answers = technique.run([question for question, _ in items], seed=7)
    pairs = zip(items, answers, strict=True)
    graded = [check.wrong(question, expected, answer) for (question, expected), answer in pairs]
    return sum(wrong is None for wrong in graded) / len(items)


def verdict(family: str, kind: str, stated: Measured, fresh: float, count: int) -> str:
    """What was stated, what was found, and whether they agree."""
    low, high = stated.interval
    inside = "inside" if low <= fresh <= high else "OUTSIDE"
    return (
        f"{family:9} {kind:8} {stated.rung:28} stated {stated.accuracy:6.1%} [{low:.1%}, {high:.1%}] "
        f"on {len(stated.graded)}; on {count} fresh items {fresh:6.1%}: {inside}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:2])
