"""The page: what is on it, and in which order."""

from collections.abc import Sequence

from cygnet.page.frame import frame
from cygnet.page.markup import Html, html, join, tiles
from cygnet.recipe.report.advice import Advice
from cygnet.recipe.report.data import RunData
from cygnet.recipe.report.sections import advice as advice_section
from cygnet.recipe.report.sections import (
    corpus,
    ladder,
    pretrain,
    probabilities,
    reward,
    rl,
    run,
    samples,
    sft,
    tokenizer,
)
from cygnet.recipe.report.summary import Summary
from cygnet.recipe.report.verdict import headline, verdict


def render(data: RunData, summary: Summary, found: Sequence[Advice]) -> str:
    """The whole page as HTML."""
    sections = [
        run.section(data),
        ladder.section(data),
        corpus.section(data),
        tokenizer.section(data),
        pretrain.section(data),
        samples.over_training(data),
        sft.section(data),
        reward.section(data),
        rl.section(data),
        samples.across_stages(data),
        probabilities.section(data),
        advice_section.section(data, list(found)),
    ]
    introduction = [
        _description(data),
        html('<p class="verdict">{verdict}</p>', verdict=verdict(summary)),
        tiles(headline(summary)),
        _pointer(found),
    ]
    return frame("run report", summary["recipe"] or data.name, join(introduction), sections)


def _description(data: RunData) -> Html:
    text = data.recipe.get("description")
    return html("<p>{text}</p>", text=text) if text else Html()


def _pointer(found: Sequence[Advice]) -> Html:
    if not found:
        return Html()
    things = "1 thing" if len(found) == 1 else f"{len(found)} things"
    return html('<p><a href="#next">{things} to look at next</a></p>', things=things)
