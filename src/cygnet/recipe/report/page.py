"""The page: one file that needs nothing else."""

from collections.abc import Sequence
from importlib import resources

from cygnet.recipe.report.advice import Advice
from cygnet.recipe.report.data import RunData
from cygnet.recipe.report.markup import Html, Section, html, join
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

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{name} – cygnet run report</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<nav aria-label="Contents"><a class="home" href="#top">cygnet</a><ol>{contents}</ol>
<button type="button" id="theme" hidden>Light or dark</button></nav>
<main id="top">
<header>
<p class="note">Run report</p>
<h1>{name}</h1>
{description}
<p class="verdict">{verdict}</p>
{tiles}
{pointer}
</header>
{sections}
</main>
<script>{script}</script>
</body>
</html>
"""


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
    return html(
        _PAGE,
        name=summary["recipe"] or data.name,
        style=_asset("style.css"),
        script=_asset("script.js"),
        contents=join(html('<li><a href="#{a}">{t}</a></li>', a=s.anchor, t=s.title) for s in sections),
        description=_description(data),
        verdict=verdict(summary),
        tiles=_tiles(summary),
        pointer=_pointer(found),
        sections=join(map(_section, sections)),
    )


def _section(section: Section) -> Html:
    return html(
        '<section id="{anchor}" aria-labelledby="{anchor}-title"><h2 id="{anchor}-title">{title}</h2>{body}</section>',
        anchor=section.anchor,
        title=section.title,
        body=section.body,
    )


def _description(data: RunData) -> Html:
    text = data.recipe.get("description")
    return html("<p>{text}</p>", text=text) if text else Html()


def _tiles(summary: Summary) -> Html:
    tiles = [
        html(
            "<div><dt>{label}</dt><dd>{value}</dd><dd class='note'>{note}</dd></div>",
            label=label,
            value=value,
            note=note,
        )
        for label, value, note in headline(summary)
    ]
    return html('<dl class="tiles">{tiles}</dl>', tiles=join(tiles)) if tiles else Html()


def _pointer(found: Sequence[Advice]) -> Html:
    if not found:
        return Html()
    things = "1 thing" if len(found) == 1 else f"{len(found)} things"
    return html('<p><a href="#next">{things} to look at next</a></p>', things=things)


def _asset(name: str) -> Html:
    return Html((resources.files("cygnet.recipe.report") / name).read_text(encoding="utf-8"))
