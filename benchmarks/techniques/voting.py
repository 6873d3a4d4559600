"""Does voting pay, and where may it be left out? A model stopped early, asked once, by vote, and by vote in doubt.

python benchmarks/techniques/voting.py

The model writes down where the ball is after each of ten swaps (shell_game.py), and was stopped when a sample of it was
right 60 to 85 times in 100, on questions apart from those below. 200 held-out questions, three seeds of sampling.
"""

from collections.abc import Sequence
from pathlib import Path

from common import HOME, Item, Row, measure, raise_model, report
from shell_game import SHAPE, SHELL, ask

from cygnet.errors import UserError
from cygnet.lm.base import LanguageModel
from cygnet.techniques import Disagreement, LowMargin, Route, Vote

BUDGETS = (200_000, 250_000, 300_000, 350_000, 400_000, 500_000)
STOPPED = (0.6, 0.85)
MOST = 16


def half_taught(
    home: Path, budgets: Sequence[int], wanted: tuple[float, float], held_out: Sequence[str]
) -> tuple[LanguageModel, int]:
    """The model of the smallest budget of tokens whose samples are as often right as `wanted`, and that budget."""
    choosing = SHELL.items(100, "choosing")
    for budget in budgets:
        apart = [*held_out, *(item.question for item in choosing)]
        lm = raise_model(home, SHELL.lesson(written_out=True), apart, budget, 1, **SHAPE)
        if wanted[0] <= measure(f"choosing: {budget:,} tokens", ask(lm, 1.0), choosing).accuracy <= wanted[1]:
            return lm, budget
    raise UserError(f"no model of {list(budgets)} tokens is right {wanted[0]:.0%} to {wanted[1]:.0%} of the time.")


def rows_of(lm: LanguageModel, items: Sequence[Item], seeds: int) -> list[Row]:
    """Every way, cheapest first."""
    sampled, whole = ask(lm, 1.0), Vote(ask(lm, 1.0), MOST, first=MOST)
    early = Vote(sampled, MOST)
    greedy = measure("greedy", ask(lm), items)
    one = measure("one sample", sampled, items, seeds).above(greedy)
    four = measure("vote of 4", Vote(sampled, 4, first=4), items, seeds).above(greedy, one)
    all_drawn = measure(f"vote of {MOST}", whole, items, seeds).above(greedy, one)
    stopped = measure(f"vote of {MOST}, stopped early", early, items, seeds).above(greedy, all_drawn)
    margin = measure("greedy, voted on below a margin of 1", Route(ask(lm), early, LowMargin(1.0)), items)
    split = Route(sampled, early, Disagreement(3, 1.0))
    disagreed = measure("3 samples, voted on if none has 2", split, items, seeds)
    return [greedy, one, four, all_drawn, stopped, margin.above(greedy, stopped), disagreed.above(greedy, stopped)]


def main(
    home: Path = HOME,
    budgets: Sequence[int] = BUDGETS,
    wanted: tuple[float, float] = STOPPED,
    items: int = 200,
    seeds: int = 3,
) -> None:
    """Print the table."""
    asked = SHELL.items(items)
    lm, budget = half_taught(home, budgets, wanted, [item.question for item in asked])
    title = (
        f"Ten swaps of five cups by a model stopped after {budget:,} tokens: {items} held-out questions, {seeds} "
        "seeds of sampling at temperature 1."
    )
    report(home, "voting", title, rows_of(lm, asked, seeds))


if __name__ == "__main__":
    main()
