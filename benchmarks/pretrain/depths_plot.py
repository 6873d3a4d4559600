"""The picture of depths.py: loss against compute, and loss against learning rates at every depth."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from cygnet.files import write_aside
from cygnet.page.charts import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, STYLE, inline_svg, standalone_svg

_COLORS = (BLUE, ORANGE, GREEN, PURPLE, INK)
Results = list[dict[str, Any]]


def write_plot(found: Results, law: tuple[float, float], out: Path) -> None:
    """Write an SVG file of two panels."""
    depths: dict[int, Results] = defaultdict(list)
    for one in sorted(found, key=lambda one: (one["depth"], one["flops"], one["rate"])):
        depths[one["depth"]].append(one)
    with mpl.rc_context(STYLE | {"axes.grid.axis": "both"}):
        canvas = Figure(figsize=(8.4, 3.9), layout="constrained")
        left, right = canvas.subplots(1, 2)
        _compute(left, depths, law)
        _rates(right, depths)
        svg = inline_svg(canvas, "depths", "Bits per byte against compute, and against learning rates, at each depth")
    with write_aside(out) as temporary:
        temporary.write_text(standalone_svg(svg), encoding="utf-8")


def _compute(axes: Axes, depths: dict[int, Results], law: tuple[float, float]) -> None:
    for (depth, found), color in zip(depths.items(), _COLORS, strict=False):
        usual = [one for one in found if one["rate"] == 1.0]
        points = [one["flops"] for one in usual], [one["bits_per_byte"] for one in usual]
        axes.plot(*points, color=color, marker="o", markersize=4.5, linewidth=1.2, label=f"depth {depth}")
    span = [edge for edge in axes.get_xlim() if edge > 0] or [1e12]
    computes = [min(one["flops"] for found in depths.values() for one in found), max(span)]
    fitted = [law[0] * (each / 1e13) ** -law[1] for each in computes]
    axes.plot(computes, fitted, color=MUTED, linestyle=(0, (4, 3)), linewidth=1.2, label=f"compute^-{law[1]:.3f}")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("FLOPs of training")
    axes.set_ylabel("bits per byte, held out")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.1f}"))
    axes.yaxis.set_major_locator(FixedLocator([1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.legend(fontsize=8)


def _rates(axes: Axes, depths: dict[int, Results]) -> None:
    for found, color in zip(depths.values(), _COLORS, strict=False):
        largest = max(one["part"] for one in found)
        swept = sorted((one["rate"], one["bits_per_byte"]) for one in found if one["part"] == largest)
        least = min(loss for _, loss in swept)
        rates, losses = zip(*((rate, loss / least - 1) for rate, loss in swept), strict=True)
        axes.plot(rates, [100 * loss for loss in losses], color=color, marker="o", markersize=4.5, linewidth=1.2)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("learning rates, times the recipe's")
    axes.set_ylabel("% above the best of that depth")
