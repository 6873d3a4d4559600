"""Does it pay to write the steps down? Models of one size, taught answers alone or steps and answers: equal tokens.

python benchmarks/techniques/shell_game.py

Where a ball is after ten swaps of five cups is a serial task: each swap moves what the ones before have moved. A sum
of eight digits is a parallel one, the row in which writing down does not pay. Three seeds of training, greedy answers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from common import HOME, Item, Lesson, Row, measure, raise_model, report

from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel, Usage
from cygnet.techniques import Document, Plain, last_number

CUPS, SWAPS, DIGITS = 5, 10, 8
SHAPE = {"depth": 2, "context_length": 88}  # as long as the longest document


@dataclass(frozen=True)
class Task:
    """A kind of question. steps: what leads to its answer, in words, and the answer. tokens: of each training."""

    name: str
    draw: Callable[[Random], str]
    steps: Callable[[str], tuple[list[str], int]]
    tokens: int

    def items(self, count: int, seed: str = "held out") -> list[Item]:
        """Different questions with their answers."""
        rng, found = Random(seed), dict[str, None]()
        while len(found) < count:
            found[self.draw(rng)] = None
        return [Item(question, self.steps(question)[1]) for question in found]

    def lesson(self, written_out: bool) -> Lesson:
        """The document of a question: with its steps, or with the answer alone."""

        def write(question: str, _: Random) -> str:
            steps, answer = self.steps(question)
            return f"Q{question}={','.join(steps)}>{answer}" if written_out else f"Q{question}={answer}"

        return Lesson(f"{self.name}-{'written-out' if written_out else 'direct'}", self.draw, write)


def draw_swaps(rng: Random) -> str:
    """Where the ball is, and the swaps: "3:12,45,13"."""
    swaps = (sorted(rng.sample(range(1, CUPS + 1), 2)) for _ in range(SWAPS))
    return f"{rng.randint(1, CUPS)}:" + ",".join(f"{first}{second}" for first, second in swaps)


def follow(question: str) -> tuple[list[str], int]:
    """Each swap again, and where the ball is after it: "12:3"."""
    start, _, swaps = question.partition(":")
    ball, steps = start, []
    for swap in swaps.split(","):
        ball = swap[1 - swap.index(ball)] if ball in swap else ball
        steps.append(f"{swap}:{ball}")
    return steps, int(ball)


def draw_digits(rng: Random) -> str:
    """ "3+9+1" """
    return "+".join(str(rng.randrange(10)) for _ in range(DIGITS))


def add(question: str) -> tuple[list[str], int]:
    """Each digit again, and the sum up to it: "9:12"."""
    digits = question.split("+")
    sums = np.cumsum([int(digit) for digit in digits]).tolist()
    return [f"{digit}:{total}" for digit, total in zip(digits, sums, strict=True)], sums[-1]


SHELL = Task("shell", draw_swaps, follow, 400_000)
SUM = Task("sum", draw_digits, add, 400_000)


def ask(lm: LanguageModel, temperature: float = 0.0) -> Plain:
    """The question as a document that the model goes on with."""
    sampling = Sampling(temperature=temperature, max_new_tokens=80)
    return Plain(lm, Document("Q{question}="), parse=last_number, sampling=sampling)


def compare(home: Path, task: Task, tokens: int, items: list[Item], seeds: int) -> list[Row]:
    """Both ways of teaching, every seed."""
    rows: list[Row] = []
    for written_out, name in ((False, "answer alone"), (True, "steps, then answer")):
        runs = []
        for seed in range(1, seeds + 1):
            held_out = [item.question for item in items]
            lm = raise_model(home, task.lesson(written_out), held_out, tokens, seed, **SHAPE)
            runs.append(measure(f"{task.name}, {name}, seed {seed}", ask(lm), items))
        right, usage = np.concatenate([run.right for run in runs]), sum((run.usage for run in runs), Usage())
        rows.append(Row(f"{task.name}: {name}", right, usage, tuple(rows)))
    return rows


def main(home: Path = HOME, tokens: int | None = None, items: int = 400, seeds: int = 3) -> None:
    """Print the table."""
    rows = []
    for task in (SHELL, SUM):
        rows += compare(home, task, tokens or task.tokens, task.items(items), seeds)
    title = (
        f"{SWAPS} swaps of {CUPS} cups and sums of {DIGITS} digits: {items} held-out questions, {seeds} seeds of "
        f"training, {tokens or SHELL.tokens:,} and {tokens or SUM.tokens:,} tokens for each model, greedy."
    )
    report(home, "shell_game", title, rows)


if __name__ == "__main__":
    main()
