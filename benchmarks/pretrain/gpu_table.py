"""What gpu.py found, as tables."""

import statistics
from typing import Any

from gpu_shapes import SIZES
from products import flops_per_token

_HEAD = (
    "side", "parameters", "rows at once", "ms an update", "tokens a second", "MFU", "of the product measured",
    "GB at most", "times as fast", "loss, first to last",
)  # fmt: skip


def show(size: str, found: dict[str, list[dict[str, Any]]], tokens: int, peak: float | None) -> None:
    """Print a size's table; `found` is what each process of each side said."""
    records = [record for several in found.values() for record in several]
    product = max((record["product"] for record in records), default=0.0)
    shape = SIZES[size]
    print(f"{size}: {shape.layers} layers of {shape.width}, {shape.heads} heads, {shape.length} tokens a row")
    print(f"Fastest product: {product / 1e12:.1f} TFLOP/s in bfloat16")
    print("| " + " | ".join(_HEAD) + " |")
    print("| --- |" + " ---: |" * (len(_HEAD) - 1))
    first = next((_rounds(several, tokens) for several in found.values() if several), [])
    for side, several in found.items():
        if several:
            print(f"| {side} | {' | '.join(_cells(size, several, first, tokens, peak, product))} |")
        else:
            print(f"| {side} | not even one row fits into this device's memory |")
    print(flush=True)


def _cells(
    size: str, several: list[dict[str, Any]], first: list[float], tokens: int, peak: float | None, product: float
) -> list[str]:
    rates = _rounds(several, tokens)
    rate, one, shape = statistics.median(rates), several[0], SIZES[size]
    flops = flops_per_token(one["weights"], shape.layers, shape.length, shape.width) * rate
    ratios = [own / its for own, its in zip(rates, first, strict=False)]
    memory = max(record["memory"] or 0 for record in several)
    return [
        f"{one['parameters']:,}",
        str(one["rows"]),
        f"{tokens / rate * 1e3:,.0f}",
        _spread(rates, ",.0f"),
        f"{100 * flops / peak:.1f} %" if peak else "unknown",
        f"{100 * flops / product:.1f} %",
        f"{memory / 1e9:.1f}" if memory else "unknown",
        _spread(ratios, ".2f"),
        f"{one['losses'][0]:.2f} to {one['losses'][-1]:.2f}",
    ]


def _rounds(several: list[dict[str, Any]], tokens: int) -> list[float]:
    """Tokens a second of each round."""
    return [tokens / statistics.median(record["seconds"]) for record in several]


def _spread(values: list[float], how: str) -> str:
    return f"{statistics.median(values):{how}} ({min(values):{how}} to {max(values):{how}})"
