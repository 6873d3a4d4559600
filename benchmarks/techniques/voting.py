"""Does voting pay, and where may it be left out? Models stopped early, asked once, by vote, and by vote in doubt.

python benchmarks/techniques/voting.py

The models write down where the ball is after each of ten swaps (shell_game.py). One was stopped when its samples were
right about half of the time, one when they mostly were, on questions apart from those below. 200 held-out questions,
three seeds of sampling.
"""

from collections.abc import Sequence
from pathlib import Path

from common import HOME, Item, Row, measure, raise_model, report
from shell_game import SHAPE, ask, draw_items, lesson

from cygnet.errors import UserError
from cygnet.lm.base import LanguageModel
from cygnet.techniques import Disagreement, LowMargin, Route, Vote

BUDGETS = tuple(range(280_000, 400_001, 20_000))
STOPPED = ((0.4, 0.6), (0.6, 0.85))  # how often a sample is right
MOST = 16


def half_taught(
    home: Path, budgets: Sequence[int], wanted: tuple[float, float], held_out: Sequence[str]
) -> tuple[LanguageModel, int]:
    """The model of the smallest budget of tokens whose samples are as often right as `wanted`, and that budget."""
    choosing = draw_items(100, "choosing")
    for budget in budgets:
        apart = [*held_out, *(item.question for item in choosing)]
        lm = raise_model(home, lesson(written_out=True), apart, budget, 1, **SHAPE)
        if wanted[0] <= measure(f"choosing: {budget:,} tokens", ask(lm, 1.0), choosing).accuracy <= wanted[1]:
            return lm, budget
    raise UserError(f"no model of {list(budgets)} tokens is right {wanted[0]:.0%} to {wanted[1]:.0%} of the time.")


def rows_of(lm: LanguageModel, items: Sequence[Item], seeds: int, which: str) -> list[Row]:
    """Every way, cheapest first."""
    sampled, whole = ask(lm, 1.0), Vote(ask(lm, 1.0), MOST, first=MOST)
    early = Vote(sampled, MOST)
    greedy = measure(f"{which}: greedy", ask(lm), items)
    one = measure(f"{which}: one sample", sampled, items, seeds)
    four = measure(f"{which}: vote of 4", Vote(sampled, 4, first=4), items, seeds)
    all_drawn = measure(f"{which}: vote of {MOST}", whole, items, seeds)
    stopped = measure(f"{which}: vote of {MOST}, stopped early", early, items, seeds)
    margin = measure(f"{which}: greedy, voted on below a margin of 1", Route(ask(lm), early, LowMargin(1.0)), items)
    split = Route(sampled, early, Disagreement(3, 1.0))
    disagreed = measure(f"{which}: 3 samples, voted on if none has 2", split, items, seeds)
    rows = [one.above(greedy), four.above(greedy, one), all_drawn.above(greedy, one), stopped.above(all_drawn)]
    return [greedy, *rows, margin.above(greedy, stopped), disagreed.above(greedy, stopped)]


def main(
    home: Path = HOME,
    budgets: Sequence[int] = BUDGETS,
    wanted: Sequence[tuple[float, float]] = STOPPED,
    items: int = 200,
    seeds: int = 3,
) -> None:
    """Print the table."""
    asked, rows = draw_items(items), list[Row]()
    for often in wanted:
        lm, budget = half_taught(home, budgets, often, [item.question for item in asked])
        rows += rows_of(lm, asked, seeds, f"{budget // 1000}k tokens")
    title = (
        f"Ten swaps of five cups by models stopped early: {items} held-out questions, {seeds} seeds of sampling at "
        "temperature 1."
    )
    report(home, "voting", title, rows)


if __name__ == "__main__":
    main()
