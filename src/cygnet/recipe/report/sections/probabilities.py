"""One answer, token by token, as the model saw it coming."""

import json
from math import exp
from typing import Any

from cygnet.page.formats import percent
from cygnet.page.markup import Html, Section, html, join
from cygnet.recipe.report.data import RunData
from cygnet.recipe.report.words import not_run, player_name

_FULL_HEAT = 4.0
"""Nats of surprise that get the deepest color: a token of 2 % probability."""


def section(data: RunData) -> Section:
    """The answer colored by surprise, with the alternatives of each token."""
    body = not_run("rank") if data.probabilities is None else _body(data.probabilities)
    return Section("probabilities", "Token probabilities of one answer", body)


def _body(answer: dict[str, Any]) -> Html:
    intro = html(
        "<p>{model} writes this answer one token at a time. The deeper the color, the less likely the token was. "
        "Point at a token, tap it or move with the arrow keys to see what else was possible.</p>",
        model=player_name(answer["model"]),
    )
    tokens = Html("".join(_token(token, i == 0) for i, token in enumerate(answer["tokens"])))
    prompt = html('<pre class="prompt">{p}</pre>', p=answer["prompt"])
    text = html('<pre class="surprise" id="surprise">{tokens}</pre>', tokens=tokens)
    return join([intro, prompt, text, _most_surprising(answer["tokens"])])


def _token(token: dict[str, Any], first: bool) -> Html:
    """One colored token. The Tab key stops at the first only; from there the arrow keys move."""
    top = [[_visible(text), exp(logprob)] for text, logprob in token["top"]]
    return html(
        '<span tabindex="{tab}" class="heat" style="--heat:{heat}%" data-token="{visible}" data-share="{share}" '
        'data-top="{top}">{text}</span>',
        tab=0 if first else -1,
        heat=round(70 * min(-token["logprob"] / _FULL_HEAT, 1.0)),
        visible=_visible(token["text"]),
        share=exp(token["logprob"]),
        top=json.dumps(top, ensure_ascii=False),
        text=token["text"],
    )


def _most_surprising(tokens: list[dict[str, Any]]) -> Html:
    """What the panel shows before a token is pointed at; script.js writes the same markup for any other token."""
    if not tokens:
        return Html()
    least = min(tokens, key=lambda token: token["logprob"])
    rows = join(
        html(
            '<div class="bar"><code>{text}</code><b><i style="width:{width}%"></i></b><span>{share}</span></div>',
            text=_visible(text),
            width=f"{100 * exp(logprob):.1f}",
            share=percent(exp(logprob), 1),
        )
        for text, logprob in least["top"]
    )
    return html(
        '<div class="alternatives" id="alternatives" aria-live="polite"><p class="note">The least expected token: '
        "<code>{token}</code>, {share}</p>{rows}</div>",
        token=_visible(least["text"]),
        share=percent(exp(least["logprob"]), 1),
        rows=rows,
    )


def _visible(text: str) -> str:
    """Spaces and line ends that can be seen."""
    return text.replace("\n", "⏎").replace(" ", "␣")
