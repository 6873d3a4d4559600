"""Does it pay to write the steps down? Models of one size, taught answers alone or steps and answers: equal tokens.

python benchmarks/techniques/shell_game.py

Where a ball is after ten swaps of five cups is a serial task: each swap moves what the ones before have moved. 400
held-out questions, three seeds of training, greedy answers.
"""

import re
from pathlib import Path
from random import Random
from string import ascii_lowercase

import numpy as np
from common import HOME, Item, Lesson, Row, measure, raise_model, report

from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel, Usage
from cygnet.techniques import Document, Plain, last_number

CUPS, SWAPS = 5, 10
TOKENS = 1_000_000  # of each training
# As long as the longest document; lower rates than usual, as most of what is to be predicted is chance.
SHAPE = {"depth": 2, "context_length": 88, "matrix_lr": 0.01, "other_lr": 0.003}


def draw(rng: Random) -> str:
    """Where the ball is, and the swaps with a letter each: "3a12b45c13"."""
    swaps = (sorted(rng.sample(range(1, CUPS + 1), 2)) for _ in range(SWAPS))
    named = zip(ascii_lowercase, swaps, strict=False)
    return f"{rng.randint(1, CUPS)}" + "".join(f"{letter}{first}{second}" for letter, (first, second) in named)


def follow(question: str) -> tuple[list[str], int]:
    """Each swap again, and where the ball is after it ("a123"); and where it is in the end."""
    ball, steps = question[0], []
    for swap in re.findall(r"[a-z]\d\d", question):
        ball = swap[3 - swap.index(ball)] if ball in swap else ball
        steps.append(f"{swap}{ball}")
    return steps, int(ball)


def draw_items(count: int, seed: str = "held out") -> list[Item]:
    """Different questions with their answers."""
    rng, found = Random(seed), dict[str, None]()
    while len(found) < count:
        found[draw(rng)] = None
    return [Item(question, follow(question)[1]) for question in found]


def lesson(written_out: bool) -> Lesson:
    """The document of a question: with its steps, or with the answer alone."""

    def write(question: str, _: Random) -> str:
        steps, answer = follow(question)
        return f"Q{question}={','.join(steps)}>{answer}" if written_out else f"Q{question}={answer}"

    return Lesson(f"shell-{'written-out' if written_out else 'direct'}", draw, write)


def ask(lm: LanguageModel, temperature: float = 0.0) -> Plain:
    """The question as a document that the model goes on with."""
    sampling = Sampling(temperature=temperature, max_new_tokens=80)
    return Plain(lm, Document("Q{question}="), parse=last_number, sampling=sampling)


def compare(home: Path, tokens: int, items: list[Item], seeds: int) -> list[Row]:
    """Both ways of teaching, every seed."""
    rows: list[Row] = []
    for written_out, name in ((False, "answer alone"), (True, "steps, then answer")):
        runs = []
        for seed in range(1, seeds + 1):
            held_out = [item.question for item in items]
            lm = raise_model(home, lesson(written_out), held_out, tokens, seed, **SHAPE)
            runs.append(measure(f"{name}, seed {seed}", ask(lm), items))
        right, usage = np.concatenate([run.right for run in runs]), sum((run.usage for run in runs), Usage())
        rows.append(Row(name, right, usage, tuple(rows)))
    return rows


def main(home: Path = HOME, tokens: int = TOKENS, items: int = 400, seeds: int = 3) -> None:
    """Print the table."""
    title = (
        f"{SWAPS} swaps of {CUPS} cups (chance: {1 / CUPS:.0%}): {items} held-out questions, {seeds} seeds of "
        f"training, {tokens:,} tokens for each model, greedy."
    )
    report(home, "shell_game", title, compare(home, tokens, draw_items(items), seeds))


if __name__ == "__main__":
    main()
