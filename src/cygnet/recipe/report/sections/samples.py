"""The same prompts down the training run, and across the stages."""

from collections.abc import Iterator

from cygnet.page.formats import number
from cygnet.page.markup import Html, Section, folded, html, join
from cygnet.recipe.report.data import Event, RunData
from cygnet.recipe.report.words import not_run, player_name

_STAGES = {"pretrain": "Pretraining", "sft": "SFT", "rl": "RL"}
_OPEN = 4


def over_training(data: RunData) -> Section:
    """What the model wrote for the same prompts as it learned."""
    stages = {name: data.of(name, "sample") for name in _STAGES}
    blocks = [_stage(_STAGES[name], samples) for name, samples in stages.items() if samples]
    body = join([html("<p>The same prompts, asked again as training goes on.</p>"), *blocks])
    return Section("samples", "Samples over training", body if blocks else not_run("pretrain"))


def _stage(name: str, samples: list[Event]) -> Html:
    prompts = list(dict.fromkeys(sample["prompt"] for sample in samples))
    blocks = (_prompt(prompt, [sample for sample in samples if sample["prompt"] == prompt]) for prompt in prompts)
    return join([html("<h3>{name}</h3>", name=name), *blocks])


def _prompt(prompt: str, samples: list[Event]) -> Html:
    rows = join(
        html("<li><span>step {step}</span><pre>\n{text}</pre></li>", step=number(sample["step"]), text=sample["text"])
        for sample in samples
    )
    return html('<div class="asked"><pre class="prompt">{p}</pre><ol>{rows}</ol></div>', p=prompt, rows=rows)


def across_stages(data: RunData) -> Section:
    """The same prompts answered by each model, with the score each answer got."""
    if not data.stage_samples:
        return Section("stages", "The same prompts across stages", not_run("rank"))
    cards = list(_cards(data))
    more = folded(f"{len(cards) - _OPEN} more prompts", join(cards[_OPEN:])) if len(cards) > _OPEN else Html()
    intro = html("<p>Held-out prompts, answered by each model and scored by the gold rubric from 0 to 1.</p>")
    return Section("stages", "The same prompts across stages", join([intro, *cards[:_OPEN], more]))


def _cards(data: RunData) -> Iterator[Html]:
    for row in data.stage_samples:
        answers = join(
            html(
                '<div class="answer"><h4>{name}<span class="heat" style="--heat:{heat}%">{score}</span></h4>'
                "<pre>\n{text}</pre></div>",
                name=player_name(player),
                heat=round(60 * row["scores"][player]),
                score=f"{row['scores'][player]:.2f}",
                text=text or "(nothing)",
            )
            for player, text in row["answers"].items()
        )
        yield html(
            '<article class="card"><p class="note">{family}</p><pre class="prompt">{prompt}</pre>'
            '<p class="note">Expected: <code>{reference}</code></p><div class="answers">{answers}</div></article>',
            family=row["family"].replace("_", " "),
            prompt=row["prompt"],
            reference=row["reference"],
            answers=answers,
        )
