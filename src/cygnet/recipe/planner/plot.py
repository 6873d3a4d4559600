"""A plan as a chart: parameters against tokens, what each law makes of more and of less, and published models."""

import re
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from cygnet.files import write_aside
from cygnet.page.charts import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, STYLE, inline_svg, standalone_svg
from cygnet.page.markup import Html
from cygnet.recipe.planner.laws import Law
from cygnet.recipe.planner.plan import Plan
from cygnet.recipe.planner.published import POINTS
from cygnet.recipe.planner.words import amount, flops

_REACH = 1e3  # how far around the budget the laws are drawn
_SOLID, _DASHED, _DOTTED = "-", (0, (4, 3)), (0, (1, 2))
_Dash = str | tuple[int, tuple[int, int]]
_LOOKS: tuple[tuple[str, _Dash], ...] = (
    *((ORANGE, _SOLID), (BLUE, _SOLID), (BLUE, _DASHED), (BLUE, _DOTTED)),
    *((GREEN, _SOLID), (GREEN, _DASHED), (PURPLE, _SOLID), (INK, _SOLID)),
)


def write_plot(plan: Plan, out: Path) -> None:
    """Write the chart as an SVG file that follows the reader's light or dark mode."""
    with write_aside(out) as temporary:
        temporary.write_text(standalone_svg(_chart(plan)), encoding="utf-8")


def _chart(plan: Plan) -> Html:
    with mpl.rc_context(STYLE | {"axes.grid.axis": "both"}):
        canvas = Figure(figsize=(7.2, 4.6), layout="constrained")
        axes = canvas.subplots()
        axes.set_xscale("log")
        axes.set_yscale("log")
        for option, (color, style) in zip(plan.options, _LOOKS, strict=False):
            _line(axes, option.law, plan.compute, color, style)
            if option == plan.chosen:
                axes.plot([option.parameters], [option.tokens], color=color, marker="o", markersize=8)
        limits = axes.get_xlim(), axes.get_ylim()
        _budget(axes, plan.compute, limits[0])
        for name, parameters, tokens in POINTS:
            if limits[0][0] < parameters < limits[0][1] and limits[1][0] < tokens < limits[1][1]:
                axes.plot([parameters], [tokens], color=MUTED, marker="D", markersize=4)
                axes.annotate(name, (parameters, tokens), (6, -9), textcoords="offset points", color=MUTED, fontsize=8)
        axes.set_xlim(limits[0])
        axes.set_ylim(limits[1])
        axes.set_xlabel("parameters")
        axes.set_ylabel("tokens")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: re.sub(r"\.0+(?=\D|$)", "", amount(value))))
            axis.set_minor_formatter(NullFormatter())
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderpad=0, ncols=5, fontsize=8.5, columnspacing=1.2)
        return inline_svg(canvas, "plan", "Tokens against parameters by each law, and for this budget")


def _line(axes: Axes, law: Law, compute: float, color: str, style: _Dash) -> None:
    """A law around the budget. It counts 6 FLOPs a parameter and token, the plan's dots attention too."""
    computes = [compute / _REACH, compute * _REACH]  # every law is straight where both axes are logarithmic
    sizes = [law.parameters(each) for each in computes]
    tokens = [each / (6 * size) for each, size in zip(computes, sizes, strict=True)]
    axes.plot(sizes, tokens, color=color, linestyle=style, linewidth=1.4, label=law.key)


def _budget(axes: Axes, compute: float, span: tuple[float, float]) -> None:
    axes.plot(
        span,
        [compute / (6 * size) for size in span],
        color=MUTED,
        linestyle=_DOTTED,
        linewidth=1.2,
        label=f"{flops(compute)} FLOPs",
    )
