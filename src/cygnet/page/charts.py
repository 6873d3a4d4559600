"""Charts as inline SVG whose colors come from the page's style sheet, so that they follow light and dark mode.

matplotlib draws with placeholder colors that are then replaced by CSS variables. Text stays text.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from statistics import fmean
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from cygnet.page.formats import number
from cygnet.page.markup import Html, markup

_PLACEHOLDERS = {
    name: f"#0102{i:02x}" for i, name in enumerate(("ink", "muted", "line", "blue", "orange", "green", "purple"))
}
INK, MUTED, GRID, BLUE, ORANGE, GREEN, PURPLE = _PLACEHOLDERS.values()

_ROUND = [1, 2, 2.5, 5, 10]

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "cygnet",
    "font.size": 9,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "text.color": INK,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "lines.solid_capstyle": "round",
}


@dataclass(frozen=True)
class Series:
    """One line. A faint one is the noisy original behind its smoothed twin, and has no legend entry."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    color: str = BLUE
    faint: bool = False
    dots: bool = False
    band: tuple[Sequence[float], Sequence[float]] | None = None


def line_chart(
    name: str,
    series: Sequence[Series],
    x_label: str,
    y_label: str,
    reference: tuple[str, float] | None = None,
    percent: bool = False,
) -> Html:
    """Lines over a common x axis.

    Args:
        name: unique on the page; prefixes the ids inside the SVG.
        reference: label and height of a dashed horizontal line.
        percent: y is a share, from 0 to 1, written as percent.
    """
    with mpl.rc_context(STYLE):
        canvas = Figure(figsize=(4.6, 2.7), layout="constrained")
        axes = canvas.subplots()
        for line in series:
            _draw(axes, line)
        if reference:
            axes.axhline(reference[1], color=ORANGE, linewidth=1.2, linestyle=(0, (4, 3)), label=reference[0])
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=_ROUND))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=_ROUND))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 1)))
        if percent:
            axes.set_ylim(0, 1.02)
            axes.yaxis.set_major_locator(MultipleLocator(0.25))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
        if reference or sum(not line.faint for line in series) > 1:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderpad=0, ncols=4, fontsize=8.5, columnspacing=1.2)
        return inline_svg(canvas, name, f"{y_label} against {x_label}")


def _draw(axes: Axes, line: Series) -> None:
    width, alpha = (0.8, 0.45) if line.faint else (1.8, 1.0)
    marker = "o" if line.dots else None
    label = None if line.faint else line.label
    axes.plot(line.x, line.y, color=line.color, linewidth=width, alpha=alpha, marker=marker, markersize=4, label=label)
    if line.band:
        axes.fill_between(line.x, *line.band, color=line.color, alpha=0.18, linewidth=0)


def interval_chart(
    name: str, labels: Sequence[str], values: Sequence[float], intervals: Sequence[Sequence[float]], x_label: str
) -> Html:
    """One dot with its interval a row, the first row on top."""
    with mpl.rc_context(STYLE | {"axes.grid.axis": "x", "axes.spines.left": False}):
        canvas = Figure(figsize=(4.6, 0.75 + 0.38 * len(labels)), layout="constrained")
        axes = canvas.subplots()
        rows = range(len(labels))
        for row, value, (low, high) in zip(rows, values, intervals, strict=True):
            axes.plot([low, high], [row, row], color=BLUE, linewidth=5, alpha=0.3)
            axes.plot([value], [row], color=BLUE, marker="o", markersize=6)
        axes.set_yticks(list(rows), labels)
        axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=9.5)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.set_xlabel(x_label)
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=_ROUND))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        return inline_svg(canvas, name, f"{x_label} by player, with 95 % intervals")


def smoothed(values: Sequence[float]) -> list[float]:
    """Mean over each point's neighbors, a tenth of the curve in all; fewer on both sides near the ends.

    The window is centered: unlike a running average it does not lag behind a curve that falls.
    """
    reach = len(values) // 20
    sides = (min(reach, i, len(values) - 1 - i) for i in range(len(values)))
    return [fmean(values[i - side : i + side + 1]) for i, side in enumerate(sides)]


def inline_svg(canvas: Figure, name: str, label: str) -> Html:
    """A figure as an <svg> element: no prolog, ids unique on the page, fonts and colors left to the style sheet."""
    buffer = io.StringIO()
    canvas.savefig(
        buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
    )
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].rstrip()
    for pattern, replacement in (
        (r"<metadata>.*?</metadata>|<style.*?</style>| font-family: [^;]*;", ""),
        (r"<g id=\"[^\"]*\">", "<g>"),
        (r"\s*\n\s*", " "),
        (r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", rf'<svg \1 role="img" aria-label="{markup(label)}">'),
        (r"xlink:href", "href"),
        (r"(id=\"|url\(#|href=\"#)", rf"\g<1>{name}-"),
    ):
        svg = re.sub(pattern, replacement, svg, flags=re.DOTALL)
    for variable, color in _PLACEHOLDERS.items():
        svg = svg.replace(color, f"var(--{variable})")
    return Html(svg)


def standalone_svg(svg: Html) -> str:
    """An inline <svg> as a file of its own, which follows the reader's light or dark mode as the page does."""
    sheet = (resources.files("cygnet.page") / "style.css").read_text(encoding="utf-8")
    light, dark = (re.findall(r"--\w+: #\w+;", part) for part in sheet.split("}")[:2])
    style = (
        f"<style>:root {{ {' '.join(light)} background: var(--paper); font-family: system-ui, sans-serif; }}"
        f" @media (prefers-color-scheme: dark) {{ :root {{ {' '.join(dark)} }} }}</style>"
    )
    opening, _, rest = svg.removeprefix("<svg").partition(">")
    return f'<svg xmlns="http://www.w3.org/2000/svg"{opening}>{style}{rest}\n'
