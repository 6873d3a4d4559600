"""Amounts as a table of plans has them."""

from collections.abc import Sequence

from cygnet.page.formats import plain_duration

_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def amount(value: float) -> str:
    """Three digits that count: 935k, 1.56B, 18.9B; from a quadrillion on 1.07e20."""
    if value >= 1e15:
        return flops(value)
    for size, unit in _UNITS:
        if value >= 0.9995 * size:
            return f"{value / size:#.3g}".rstrip(".") + unit
    return f"{value:.3g}"


def flops(value: float) -> str:
    """1.07e20."""
    return f"{value:.2e}".replace("e+", "e")


def money(dollars: float) -> str:
    """$5.12, $300, $4.61M."""
    if dollars >= 1e6:
        return f"${amount(dollars)}"
    return f"${dollars:,.0f}" if dollars >= 100 else f"${dollars:,.2f}"


def wall_time(hours: float) -> str:
    """Hours as people say them; days from two on."""
    return f"{hours / 24:,.1f} days" if hours >= 48 else plain_duration(3600 * hours)


def columns(header: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
    """A table as lines, cells aligned right but for the columns in `left`."""
    table = [header, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    return [
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
