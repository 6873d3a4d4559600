"""What to know before using a pick: what these numbers show, and what no number here shows."""

from collections.abc import Iterator
from typing import NamedTuple

from cygnet.lab.climb import Climb, compare
from cygnet.page.formats import percent

_WIDE = 0.2  # of an interval, from end to end


class Caution(NamedTuple):
    """A title, and what to do about it."""

    title: str
    text: str


# Karpathy, State of GPT, 2023: the limits that he names, and what he recommends.
OF_ALL_MODELS = (
    Caution("Made-up facts", "A model states what is false as fluently as what is true. Check what matters."),
    Caution("Slips in reasoning", "Steps that read well may be wrong, also where the answer is right."),
    Caution("Knowledge that ends", "It knows nothing of what happened after its training data, and does not say so."),
    Caution("Bias", "It repeats the prejudices of its data. Measure on examples about the people it will concern."),
    Caution(
        "Prompt injection",
        "Instructions hidden in a question, a page or a tool's output may be followed. Give the model no rights and no "
        "secrets that the author of its input should not have.",
    ),
    Caution(
        "Low stakes, and a person who looks",
        "Use it where a mistake costs little, for drafts and suggestions rather than decisions, and let a person see "
        "what comes out.",
    ),
)


def _search(outcome: Climb) -> Iterator[Caution]:
    """Search draws a lot, and so may best of n: at as many tokens it is the row to hold search against."""
    rungs = {rung.rung: rung for rung in outcome.measured}
    search, sampled = rungs.get("search"), rungs.get("best of n")
    if search is None or sampled is None or not sampled.usage.tokens:
        return
    samples = outcome.task.config.asking.samples
    lead, items = compare(search, sampled, outcome.task.config.seed), len(search.graded)
    equal = round(samples * search.usage.tokens / sampled.usage.tokens)
    more = f" With asking.samples={equal} best of n takes as many: hold search against that." if equal > samples else ""
    yield Caution(
        "Search beside best of n",
        f"Search took {search.usage.tokens / items:,.0f} tokens an answer and the best of {samples} "
        f"{sampled.usage.tokens / items:,.0f}; it is {100 * lead.difference:+.1f} points above them "
        f"({lead.words}).{more}",
    )


def of_this_lab(outcome: Climb) -> Iterator[Caution]:
    """What this climb in particular should make one careful about."""
    if outcome.stopped:
        yield Caution("Not finished", f"{outcome.stopped} Nothing is picked yet.")
    picks = outcome.picks
    if picks is None:
        return
    low, high = picks.held_out[picks.best].interval
    if high - low > _WIDE:
        count = len(outcome.task.items.held_out)
        yield Caution(
            "A wide interval",
            f"{count} held-out items say only that the best is right in {percent(low)} to {percent(high)} of cases. "
            "Four times as many halve that.",
        )
    first = outcome.measured[0].rung
    if picks.best != first and (gain := picks.compare(picks.best, first)).words != "gain":
        yield Caution(
            "Perhaps no gain",
            f"On the held-out items {picks.best} is not clearly better than {first} "
            f"({100 * gain.difference:+.1f} points).",
        )
    if picks.cheapest != picks.best and picks.compare(picks.cheapest, picks.best).words == "loss":
        yield Caution("The cheapest is worse", "On the held-out items it is clearly behind the best: weigh that up.")
    if any(rung.rung == "reflection" for rung in outcome.measured) and outcome.task.check.verifier is None:
        yield Caution(
            "Reflection without a checker",
            "Only the right answers can check this task, so the model judged itself. That tends to do harm "
            "(Huang et al. 2023).",
        )
    yield from _search(outcome)
