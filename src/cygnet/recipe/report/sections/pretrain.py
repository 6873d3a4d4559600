"""Learning to predict text."""

import numpy as np

from cygnet.page.charts import BLUE, GREEN, ORANGE, PURPLE, Series, line_chart, smoothed
from cygnet.page.formats import number
from cygnet.page.markup import Html, Section, figure, figures, html, join
from cygnet.recipe.report.data import Event, RunData, curve
from cygnet.recipe.report.words import not_run

_SOURCE_COLORS = (PURPLE, GREEN, ORANGE)


def section(data: RunData) -> Section:
    """Loss and bits per byte against tokens seen."""
    return Section("pretrain", "Pretraining", _body(data) if data.of("pretrain", "step") else not_run("pretrain"))


def _body(data: RunData) -> Html:
    steps, evals = data.of("pretrain", "step"), data.of("pretrain", "eval")
    metrics = data.metrics("pretrain") or {}
    intro = html(
        "<p>{parameters} parameters read {tokens} tokens, {rate} a second.</p>",
        parameters=number(metrics.get("parameters")),
        tokens=number(metrics.get("tokens", steps[-1]["tokens"])),
        rate=number(metrics.get("tokens_per_second", steps[-1].get("tokens_per_second"))),
    )
    charts = [_loss(steps)]
    if evals:
        charts += [_bits(steps, evals, metrics.get("xz_bits_per_byte")), _by_source(steps, evals)]
    charts.append(_rate(steps))
    return join([intro, figures(charts)])


def _loss(steps: list[Event]) -> Html:
    x, y = curve(steps, "loss", x="tokens")
    series = [Series("each step", x, y, faint=True), Series("smoothed", x, smoothed(y))]
    chart = line_chart("pretrain-loss", series, "tokens", "nats per token")
    return figure(chart, "Training loss", "Lower is better. Faint: each step; solid: the average around it.")


def _bits(steps: list[Event], evals: list[Event], xz: float | None) -> Html:
    x, y = curve(evals, "heldout_bits_per_byte")
    reference = None if xz is None else ("xz -9", xz)
    series = [Series("model", _tokens_at(steps, x), y, dots=True)]
    chart = line_chart("pretrain-bits", series, "tokens", "bits per byte", reference=reference)
    caption = "What unseen text costs, whatever the tokenizer: the validation split, watched in training."
    if xz is not None:
        caption += (
            " The dashed line is xz on the test split, which the model's final number is compared with: below it, the "
            "model has learned more than repetition."
        )
    return figure(chart, "Held-out bits per byte", caption)


def _by_source(steps: list[Event], evals: list[Event]) -> Html:
    sources = list(evals[-1].get("by_source", {}))
    series = []
    for i, source in enumerate(sources):
        x, y = curve([{"step": event["step"], **event.get("by_source", {})} for event in evals], source)
        color = (BLUE, *_SOURCE_COLORS)[i % 4]
        series.append(Series(source, _tokens_at(steps, x), y, color=color, dots=True))
    if not series:
        return Html()
    chart = line_chart("pretrain-sources", series, "tokens", "bits per byte")
    return figure(
        chart, "Held-out bits per byte, by source", "Which part of the mixture is learned, and which still falls."
    )


def _rate(steps: list[Event]) -> Html:
    x, y = curve(steps, "lr", x="tokens")
    chart = line_chart("pretrain-lr", [Series("learning rate", x, y)], "tokens", "learning rate")
    return figure(chart, "Learning rate", "The schedule. Much of the gain in loss comes as the rate falls to its end.")


def _tokens_at(steps: list[Event], places: list[float]) -> list[float]:
    """Tokens seen at given steps, read off the step events."""
    x, y = curve(steps, "tokens")
    return [float(tokens) for tokens in np.interp(places, x, y)]
