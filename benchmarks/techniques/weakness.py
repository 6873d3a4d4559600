"""Does it help to tell a model what it is bad at? A calculator with that note and without, on easy and hard sums.

python benchmarks/techniques/weakness.py

SmolLM2-135M-Instruct as an agent, shown four worked examples: two small sums answered at once, two large ones that are
calculated. 200 other sums, small, large and in between: how often is the calculator called, and the answer right?
Sampled at temperature 1, so that a call that becomes a little likelier shows; the same random numbers both times.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
from common import HOME, paired, publish

import cygnet
from cygnet.generation.request import Sampling
from cygnet.lab.intervals import wilson
from cygnet.lm.base import LanguageModel
from cygnet.techniques import ReAct, last_number
from cygnet.techniques.forms import Turn
from cygnet.techniques.react import Transcript
from cygnet.techniques.tools.calculator import calculator
from cygnet.training.loop import prepare_machine

# kind: sign, range of the first number, range of the second
KINDS = {
    "3 + 4": ("+", (1, 9), (1, 9)),
    "31 + 42": ("+", (11, 99), (11, 99)),
    "7 * 42": ("*", (3, 9), (11, 99)),
    "31 * 42": ("*", (11, 99), (11, 99)),
}
INSTRUCTIONS = """\
Each question is answered by actions: tools, and then finish.
{tools}
finish(answer: string): Gives the answer."""
EXAMPLES = [
    Turn("user", "Question: What is 5 + 1?"),
    Turn("assistant", 'Action: finish {"answer": "6"}'),
    Turn("user", "Question: What is 74 + 38?"),
    Turn("assistant", 'Action: calculator {"expression": "74 + 38"}'),
    Turn("user", "Observation: 112"),
    Turn("assistant", 'Action: finish {"answer": "112"}'),
    Turn("user", "Question: What is 3 * 4?"),
    Turn("assistant", 'Action: finish {"answer": "12"}'),
    Turn("user", "Question: What is 19 * 53?"),
    Turn("assistant", 'Action: calculator {"expression": "19 * 53"}'),
    Turn("user", "Observation: 1007"),
    Turn("assistant", 'Action: finish {"answer": "1007"}'),
]
Flags = npt.NDArray[np.float64]  # [sums], 0 or 1


@dataclass(frozen=True)
class Sum:
    """A sum, and which kind it is of."""

    kind: str
    expression: str
    answer: int


@dataclass(frozen=True)
class Outcome:
    """What came of all sums: was the calculator called, was the answer right."""

    called: Flags
    right: Flags


def sums(count: int, seed: int = 0) -> list[Sum]:
    """Sums of every kind in turn, none of them in the examples."""
    rng, made, shown = Random(seed), list[Sum](), " ".join(turn.text for turn in EXAMPLES)
    while len(made) < count:
        kind = list(KINDS)[len(made) % len(KINDS)]
        sign, first, second = KINDS[kind]
        a, b = rng.randint(*first), rng.randint(*second)
        if f"{a} {sign} {b}" not in shown:
            made.append(Sum(kind, f"{a} {sign} {b}", a + b if sign == "+" else a * b))
    return made


def asked(lm: LanguageModel, items: Sequence[Sum], note: bool) -> Outcome:
    """Have an agent do the sums, its calculator with or without the note."""
    tool = calculator()
    agent = ReAct(
        lm,
        [tool if note else replace(tool, weakness="")],
        form=Transcript(),
        instructions=INSTRUCTIONS,
        template="Question: What is {question}?",
        examples=EXAMPLES,
        parse=last_number,
        sampling=Sampling(max_new_tokens=32, stop=("\n",)),
        steps=3,
    )
    answers = agent.run([item.expression for item in items])
    called = [float(any(step.name == "act" for step in answer.trace)) for answer in answers]
    right = [float(answer.value == item.answer) for answer, item in zip(answers, items, strict=True)]
    return Outcome(np.array(called), np.array(right))


def row(name: str, chosen: npt.NDArray[np.bool_], without: Outcome, told: Outcome) -> list[str]:
    """The cells of some sums: how often called and right, without the note and with it, and what it changed."""
    cells = [name, str(int(chosen.sum()))]
    pairs = ((without.called, told.called, "no change"), (without.right, told.right, "no gain"))
    for before, after, none in pairs:
        cells += [_share(before[chosen]), _share(after[chosen]), _change(before[chosen], after[chosen], none)]
    return cells


def _share(flags: Flags) -> str:
    low, high = wilson(int(flags.sum()), len(flags))
    return f"{flags.mean():.1%} [{100 * low:.0f}, {100 * high:.0f}]"


def _change(before: Flags, after: Flags, none: str) -> str:
    mean, low, high = (100 * value for value in paired(after[None], before[None]))
    verdict = f": **{none}**" if low <= 0 <= high else ""
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]{verdict}"


def main(home: Path = HOME, lm: LanguageModel | None = None, count: int = 200) -> None:
    """Print the table."""
    prepare_machine(threads=1)
    lm, items = lm or cygnet.load("smollm2"), sums(count)
    without, told = asked(lm, items, note=False), asked(lm, items, note=True)
    heads = ["Sums", "Number", "Called without", "Called with", "Change", "Right without", "Right with", "Gain"]
    cells, kinds = [heads], np.array([item.kind for item in items])
    cells += [row(kind, kinds == kind, without, told) for kind in KINDS]
    cells.append(row("all", kinds != "", without, told))
    title = (
        f"{lm.name}, {count} sums, four worked examples, temperature 1: a calculator without and with the note "
        f'"{calculator().weakness}"; 95 % intervals, changes in points.'
    )
    data = [dict(zip(heads, line, strict=True)) for line in cells[1:]]
    publish(home, "weakness", title, cells, data)


if __name__ == "__main__":
    main()
