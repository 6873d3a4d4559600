"""Does tree search pay? The Game of 24 with one model, raised here, that writes moves and values positions.

python benchmarks/techniques/game_of_24.py

Of the 1,362 puzzles that can be solved 200 are held out. Searched are the legal moves, which need no model; its part is
to say of each position whether 24 can still be made. Beside it, under the same exact check: its own moves written
greedily, the best of as many of them as take as many tokens as the search, and the search with random values.
"""

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from random import Random

import numpy as np
from common import HOME, Lesson, Row, raise_model, report

from cygnet.evaluation.game_of_24 import Position, can_win, check_moves, game, legal_moves, solvable, start
from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel, Usage
from cygnet.techniques import Document, Plain
from cygnet.techniques.search import BeamSearch, Odds, compare

SHAPE = {"depth": 3, "context_length": 112, "precision": "float32"}
TOKENS = 1_000_000
PLAYS = 0.12  # of the documents, so about half of the tokens
NAMES = ("beam of 5 over legal moves, the model's values", "the same with random values", "best of k, equal tokens")


def write(question: str, rng: Random) -> str:
    """A game that is won, or whether a position of one or two moves on can be won, either as often."""
    if rng.random() < PLAYS:
        lines = "\n".join(_won(question, rng).lines)
        return f"Q{lines}"
    wanted, position = rng.random() < 0.5, start(question)
    if rng.random() < 0.5:
        position = rng.choice([after for after in _moves(position) if can_win(after.numbers) or not wanted])
    fitting = [after for after in _moves(position) if can_win(after.numbers) == wanted]
    position = rng.choice(fitting or _moves(position))
    return f"{value_of(position)}{'Y' if can_win(position.numbers) else 'N'}"


def _won(question: str, rng: Random) -> Position:
    position = start(question)
    while not position.solved:
        position = rng.choice([after for after in _moves(position) if can_win(after.numbers)])
    return position


def _moves(position: Position) -> Sequence[Position]:
    return _first_moves(position) if len(position.numbers) == 4 else legal_moves(position)


@cache
def _first_moves(position: Position) -> Sequence[Position]:
    return legal_moves(position)


def value_of(position: Position) -> str:
    """The question whether a position can be won; the answer is Y or N."""
    return f"V{' '.join(map(str, position.numbers))}?"


def ask(lm: LanguageModel) -> Plain:
    """The moves of a puzzle, a line each."""
    return Plain(lm, Document("Q{question}\n"), sampling=Sampling(temperature=0.0, max_new_tokens=96))


def known(puzzles: Sequence[str], others: Sequence[str]) -> float:
    """The share of the positions one move on from `others` that are also one move on from `puzzles`."""
    seen = {after for puzzle in puzzles for after in _first_moves(start(puzzle))}
    reached = {after for puzzle in others for after in _first_moves(start(puzzle))}
    return len(seen & reached) / len(reached)


def rows_of(lm: LanguageModel, questions: Sequence[str], seeds: int) -> list[Row]:
    """Greedy moves, and what `compare` compares, for every seed."""
    answers = ask(lm).run(questions)
    right = [check_moves(*pair) is None for pair in zip(questions, answers, strict=True)]
    greedy = Row("moves written, greedy", np.array([right], float), sum((a.usage for a in answers), Usage()))
    print(f"greedy: {greedy.accuracy:.1%}", flush=True)
    search = BeamSearch(lm, game(Odds(value_of, "Y", "N")), width=5)
    runs = []
    for seed in range(seeds):
        runs.append(compare(search, ask(lm), check_moves, questions, seed))
        print(*runs[-1], sep="\n", flush=True)
    several = zip(NAMES, zip(*runs, strict=True), strict=True)
    searched, random, best = (
        Row(name, np.array([run.right for run in found], float), sum((run.usage for run in found), Usage()))
        for name, found in several
    )
    return [greedy, best.above(greedy), random.above(greedy), searched.above(greedy, best, random)]


def main(home: Path = HOME, tokens: int = TOKENS, items: int = 200, seeds: int = 3) -> None:
    """Print the table."""
    puzzles = solvable()
    Random("held out").shuffle(puzzles)
    held_out, rest = puzzles[:items], puzzles[items:]
    lesson = Lesson("game-of-24", partial(Random.choice, seq=rest), write)
    lm = raise_model(home, lesson, held_out, tokens, 1, **SHAPE)
    title = (
        f"Game of 24: {items} held-out puzzles, one model of {tokens:,} tokens, {seeds} seeds of sampling; of the "
        f"positions one move on {known(rest, held_out):.0%} can also be reached from a puzzle that it was taught."
    )
    report(home, "game_of_24", title, rows_of(lm, held_out, seeds))


if __name__ == "__main__":
    main()
