"""Accuracy against cost, as one picture."""

import math

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from cygnet.lab.climb import Climb
from cygnet.lab.measure import Measured
from cygnet.page.charts import BLUE, GREEN, MUTED, ORANGE, STYLE, inline_svg
from cygnet.page.markup import Html


def accuracy_against_cost(outcome: Climb, unit: str) -> Html:
    """A dot for each rung, by the number it has in the table, with its 95 % interval; cost on a logarithmic scale.

    What costs nothing, which that scale has no place for, stands at a tenth of the least that anything costs. The line
    joins the rungs that nothing cheaper beats. unit: of the cost, money being that of 1,000 answers.
    """
    with mpl.rc_context(STYLE):
        canvas = Figure(figsize=(6.4, 3.6), layout="constrained")
        axes = canvas.subplots()
        numbers = {rung.rung: number for number, rung in enumerate(outcome.rungs, 1)}
        scale = 1000 if outcome.measured[0].unit == "cost" else 1
        floor = min((rung.cost for rung in outcome.measured if rung.cost), default=1.0) / 10
        frontier = [(scale * max(cost, floor), accuracy) for cost, accuracy in _frontier(outcome.measured)]
        axes.step(*zip(*frontier, strict=True), where="post", color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        dots: dict[tuple[float, float], list[Measured]] = {}
        for rung in outcome.measured:
            dots.setdefault((round(math.log(max(rung.cost, floor)), 1), round(rung.accuracy, 2)), []).append(rung)
        for together in dots.values():  # those that would hide each other share a label, the picked one on top
            for rung in sorted(together, key=lambda rung: _color(rung, outcome) != BLUE):
                _dot(axes, rung, scale * max(rung.cost, floor), _color(rung, outcome))
            label = ", ".join(str(numbers[rung.rung]) for rung in together)
            last = (scale * max(together[-1].cost, floor), together[-1].accuracy)
            axes.annotate(label, last, xytext=(7, 4), textcoords="offset points", fontsize=8.5)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
        axes.margins(x=0.12)
        axes.set_xlabel(unit)
        axes.set_ylabel("right")
        return inline_svg(canvas, "cost", f"Accuracy of each rung against {unit}")


def _frontier(measured: list[Measured]) -> list[tuple[float, float]]:
    """Cost and accuracy of the rungs that no rung as cheap reaches, cheapest first."""
    points: list[tuple[float, float]] = []
    for cost, negative in sorted((rung.cost, -rung.accuracy) for rung in measured):
        if not points or -negative > points[-1][1]:
            points.append((cost, -negative))
    return points


def _dot(axes: Axes, rung: Measured, cost: float, color: str) -> None:
    axes.plot([cost] * 2, rung.interval, color=color, linewidth=4, alpha=0.25)
    axes.plot([cost], [rung.accuracy], color=color, marker="o", markersize=7)


def _color(rung: Measured, outcome: Climb) -> str:
    if outcome.picks and rung.rung == outcome.picks.cheapest:
        return GREEN
    return ORANGE if outcome.picks and rung.rung == outcome.picks.best else BLUE
