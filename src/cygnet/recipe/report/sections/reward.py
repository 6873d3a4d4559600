"""Learning what the contractor prefers."""

from typing import Any

from cygnet.page.charts import ORANGE, Series, line_chart, smoothed
from cygnet.page.formats import number, percent
from cygnet.page.markup import Html, Section, figure, figures, folded, html, join, share_bar, table
from cygnet.recipe.report.data import Event, RunData, curve
from cygnet.recipe.report.words import not_run


def section(data: RunData) -> Section:
    """Accuracy of the reward model, over training and by how far apart the answers are."""
    return Section("reward", "Reward model", _body(data) if data.of("reward", "step") else not_run("reward"))


def _body(data: RunData) -> Html:
    metrics = data.metrics("reward") or {}
    steps = data.of("reward", "step")
    charts = [_loss(steps), _accuracy(steps, [event for event in data.of("reward", "eval") if event.get("ci95")])]
    return join([_intro(metrics), figures(charts), _margins(metrics), _example(data.comparisons)])


def _intro(metrics: dict[str, Any]) -> Html:
    if metrics.get("heldout_pair_accuracy") is None:
        return Html()
    low, high = metrics.get("ci95") or (None, None)
    return html(
        "<p>Trained on {comparisons} comparisons of two answers, it puts <strong>{accuracy}</strong> of held-out "
        "pairs in the contractor's order (95 % interval {low} to {high}; a coin gets 50 %).</p>",
        comparisons=number(metrics.get("comparisons")),
        accuracy=percent(metrics["heldout_pair_accuracy"], 1),
        low=percent(low, 1),
        high=percent(high, 1),
    )


def _loss(steps: list[Event]) -> Html:
    x, y = curve(steps, "loss")
    chart = line_chart(
        "reward-loss", [Series("each step", x, y, faint=True), Series("smoothed", x, smoothed(y))], "step", "nats"
    )
    return figure(chart, "Ranking loss", "A judge without an opinion stays at 0.69 nats a pair.")


def _accuracy(steps: list[Event], evals: list[Event]) -> Html:
    x, y = curve(steps, "accuracy")
    held_x, held_y = curve(evals, "heldout_pair_accuracy")
    band = ([event["ci95"][0] for event in evals], [event["ci95"][1] for event in evals])
    series = [Series("each step", x, y, faint=True), Series("training", x, smoothed(y))] if x else []
    series += [Series("held out", held_x, held_y, color=ORANGE, dots=True, band=band)] if held_x else []
    chart = line_chart("reward-accuracy", series, "step", "pairs in order", percent=True)
    return figure(chart, "Pairs in the right order", "The band is the 95 % interval on held-out pairs; 50 % is a coin.")


def _margins(metrics: dict[str, Any]) -> Html:
    rows = [
        [
            f"{bucket['low']:.2f} " + ("or more" if bucket["high"] is None else f"to {bucket['high']:.2f}"),
            number(bucket["pairs"]),
            share_bar(bucket["accuracy"], percent(bucket["accuracy"])),
        ]
        for bucket in metrics.get("by_margin") or []
    ]
    if not rows:
        return Html()
    heading = html("<h3>By margin</h3>")
    note = html(
        '<p class="note">Pairs that the contractor scored far apart should be easy; near ties may be noise.</p>'
    )
    return join(
        [heading, table(["Contractor's scores apart by", "Pairs", "In the right order"], rows, numbers=[1]), note]
    )


def _example(comparisons: list[dict[str, Any]]) -> Html:
    """One held-out comparison as the contractor ranked it, preferably one where not all answers are equal."""
    if not comparisons:
        return Html()
    row = next((row for row in comparisons if len(set(row["scores"])) > 1), comparisons[0])
    order = sorted(range(len(row["responses"])), key=lambda i: row["ranks"][i])
    answers = [
        [row["ranks"][i], html("<pre>{text}</pre>", text=row["responses"][i]), f"{row['scores'][i]:.2f}"] for i in order
    ]
    prompt = row["prompt"][-1]["content"]
    note = html(
        '<p class="note">A contractor scores by the rubric, with noise, as people do, and ranks by the scores.</p>'
    )
    ranking = table(["Rank", "Answer", "Contractor's score"], answers, numbers=[2])
    body = join([html('<pre class="prompt">{p}</pre>', p=prompt), ranking, note])
    return folded("One held-out comparison, as ranked", body)
