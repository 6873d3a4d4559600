"""Learning to answer."""

from cygnet.page.charts import ORANGE, Series, line_chart, smoothed
from cygnet.page.formats import percent
from cygnet.page.markup import Html, Section, figure, figures, html, join, share_bar, table
from cygnet.recipe.report.data import Event, RunData, curve
from cygnet.recipe.report.words import not_run


def section(data: RunData) -> Section:
    """Loss, held-out accuracy over training and by task family."""
    return Section("sft", "Supervised fine-tuning", _body(data) if data.of("sft", "step") else not_run("sft"))


def _body(data: RunData) -> Html:
    steps, evals = data.of("sft", "step"), data.of("sft", "eval")
    intro = html("<p>The base model learns from conversations; only the assistant's tokens are trained.</p>")
    charts = [_loss(steps, evals)]
    if any(event.get("heldout_task_accuracy") is not None for event in evals):
        charts.append(_accuracy(evals))
    return join([intro, figures(charts), _families(data)])


def _loss(steps: list[Event], evals: list[Event]) -> Html:
    x, y = curve(steps, "loss")
    held_x, held_y = curve(evals, "heldout_loss")
    series = [Series("each step", x, y, faint=True), Series("training", x, smoothed(y))]
    if held_x:
        series.append(Series("held out", held_x, held_y, color=ORANGE, dots=True))
    chart = line_chart("sft-loss", series, "step", "nats per token")
    return figure(chart, "Loss", "Held-out loss that turns up while training loss falls means memorizing.")


def _accuracy(evals: list[Event]) -> Html:
    x, y = curve(evals, "heldout_task_accuracy")
    chart = line_chart(
        "sft-accuracy", [Series("accuracy", x, y, dots=True)], "step", "answered correctly", percent=True
    )
    return figure(
        chart,
        "Held-out exercises answered correctly",
        "Checked by each exercise's own checker, on values never trained on.",
    )


def _families(data: RunData) -> Html:
    by_family: dict[str, float] = (data.metrics("sft") or {}).get("by_family") or {}
    if not by_family:
        return Html()
    rows = [
        [family.replace("_", " "), share_bar(accuracy, percent(accuracy))]
        for family, accuracy in sorted(by_family.items(), key=lambda item: -item[1])
    ]
    return join([html("<h3>By task family</h3>"), table(["Family", "Held-out exercises answered correctly"], rows)])
