"""Climbing the reward, with the gold score watched."""

from cygnet.page.charts import BLUE, GREEN, Series, line_chart, smoothed
from cygnet.page.formats import interval, number, signed
from cygnet.page.markup import Html, Section, figure, figures, html, join
from cygnet.recipe.report.data import Event, RunData, curve
from cygnet.recipe.report.words import not_run

_STEP_CHARTS = (
    ("reward", "Reward", "reward", "What the reward model thinks of the answers that are trained on."),
    (
        "kl",
        "KL to the SFT model",
        "nats per answer",
        "How far the policy has moved. Fast growth is the price of reward.",
    ),
    ("length", "Answer length", "tokens", "A steady climb often means that the reward model likes length."),
    ("entropy", "Entropy", "nats per token", "Variety that is left. Near zero, sampling again gives the same answer."),
)
_GOLD_CHART = (
    *("gold", "Gold score", "gold score"),
    "The rubric itself on held-out prompts, never trained on: this is what should rise.",
)


def section(data: RunData) -> Section:
    """Reward, gold, KL, length and entropy over the updates of PPO; a round of rollouts gives several."""
    return Section("rl", "Reinforcement learning", _body(data) if data.of("rl", "step") else not_run("rl"))


def _body(data: RunData) -> Html:
    steps, evals = data.of("rl", "step"), data.of("rl", "eval")
    charts = [_evaluated(evals, *_GOLD_CHART)] + [_trained(steps, *chart) for chart in _STEP_CHARTS]
    return join([_intro(data), figures(chart for chart in charts if chart)])


def _intro(data: RunData) -> Html:
    metrics = data.metrics("rl")
    if metrics is None:
        return html("<p>PPO is still under way.</p>")
    before, after = metrics.get("gold_before"), metrics.get("gold_after")
    gold = (
        html("No gold score was watched.")
        if before is None or after is None
        else html(
            "The gold score, which PPO never sees, went from {before} to {after}: {gain}, 95 % interval {bounds}.",
            before=number(before),
            after=number(after),
            gain=signed(after - before, 3),
            bounds=interval(metrics.get("gain_ci95"), 3),
        )
    )
    return html(
        "<p>PPO took the reward from {before} to {after}, at {kl} nats of KL per answer. {gold}</p>",
        before=number(metrics.get("reward_before"), 2),
        after=number(metrics.get("reward_after"), 2),
        kl=number(metrics.get("kl"), 1),
        gold=gold,
    )


def _trained(steps: list[Event], key: str, title: str, unit: str, caption: str) -> Html:
    x, y = curve(steps, key)
    if not x:
        return Html()
    series = [Series(key, x, y, color=BLUE, faint=True), Series(key, x, smoothed(y), color=BLUE)]
    return figure(line_chart(f"rl-{key}", series, "update", unit), title, caption)


def _evaluated(evals: list[Event], key: str, title: str, unit: str, caption: str) -> Html:
    x, y = curve(evals, key)
    if not x:
        return Html()
    series = [Series(key, x, y, color=GREEN, dots=True)]
    return figure(line_chart(f"rl-{key}", series, "update", unit), title, caption)
