"""A plan, or a comparison with what was published, as text."""

from cygnet.model.config import ModelConfig
from cygnet.recipe.planner.batches import (
    deepseek_batch,
    deepseek_rate,
    recipe_rates,
    step_law_batch,
    step_law_rate,
)
from cygnet.recipe.planner.memory import Held, held, optimizer_bytes, row_activations, rows_that_fit
from cygnet.recipe.planner.plan import Plan, fits
from cygnet.recipe.planner.published import Comparison, Figure, Row
from cygnet.recipe.planner.running import how_to_start
from cygnet.recipe.planner.shape import end_of_shapes, layer_matrices, on_the_dial
from cygnet.recipe.planner.words import amount, columns, flops, money, wall_time

_GB = 1e9
_TRIED_ROWS = 64  # an update; cygnet's learning rates were never tried with much more


def plan_text(plan: Plan) -> str:
    """Everything a plan says, and at the end how to run it."""
    parts = [_budget(plan), _laws(plan), _training(plan), _memory(plan), _how_to_run(plan)]
    return "\n\n".join("\n".join(lines) for lines in parts)


def _budget(plan: Plan) -> list[str]:
    request, hardware = plan.request, plan.hardware
    price = request.price_on(hardware)
    share = 100 * request.rate(hardware) / hardware.peak
    shares = "as asked" if request.mfu else hardware.utilization_source
    prices = "as asked" if request.price else hardware.price_source
    peak = f"{hardware.peak / 1e12:,.3g} TFLOP/s"
    return [
        f"{flops(plan.compute)} FLOPs on {hardware.name}",
        f"  utilization  {share:.0f} % of {peak} ({shares})",
        f"  price        {'none' if price is None else f'{money(price)} an hour each'} ({prices})",
    ]


def _laws(plan: Plan) -> list[str]:
    header = ("law", "tokens/parameter", "parameters", "tokens", "nearest shape", "has", "source")
    rows = [
        (
            ("* " if option == plan.chosen else "  ") + option.law.key,
            amount(plan.compute / (6 * option.wanted**2)),
            amount(option.wanted),
            amount(plan.compute / (6 * option.wanted)),
            shape_words(option.shape),
            amount(option.parameters),
            option.law.source,
        )
        for option in plan.options
    ]
    return ["What the laws make of it, at 6 FLOPs a parameter and token:", *columns(header, rows, left=(0, 4, 6))]


def shape_words(shape: ModelConfig) -> str:
    """depth 12, or 24 x 3072: layers and width."""
    return f"depth {shape.layers}" if on_the_dial(shape) else f"{shape.layers} x {shape.width}"


def _training(plan: Plan) -> list[str]:
    option, shape = plan.chosen, plan.chosen.shape
    size = f"{shape.layers} layers, width {shape.width}, {shape.heads} heads of {shape.head_width}"
    batch = amount(plan.rows * shape.context_length)
    laws = f"Step Law says {amount(step_law_batch(option.tokens))}, DeepSeek {amount(deepseek_batch(plan.compute))}"
    muon, others = recipe_rates(shape, plan.rows)
    untried = "" if plan.rows <= _TRIED_ROWS else f" (never tried beyond {_TRIED_ROWS} rows)"
    alone = step_law_rate(shape.layers * layer_matrices(shape), option.tokens)
    end = end_of_shapes(option.wanted, shape)
    asked = [("", f"the {end} shape that is planned; the law asks for {amount(option.wanted)}")] if end else []
    dollars = "" if plan.dollars is None else f", {money(plan.dollars)}"
    says = (
        ("model", f"{amount(option.parameters)} parameters: {size}, vocabulary {shape.vocab_size:,}"),
        *asked,
        (
            "tokens",
            f"{amount(option.tokens)}: {plan.steps:,} updates of {plan.rows:,} rows of {shape.context_length:,}",
        ),
        ("batch", f"{batch} tokens; {laws}"),
        ("learning rates", f"Muon {muon:.2g} and AdamW {others:.2g} by cygnet's rule{untried}"),
        ("", f"AdamW alone {alone:.1e} by Step Law, {deepseek_rate(plan.compute):.1e} by DeepSeek"),
        ("takes", f"{wall_time(plan.hours)} on {_devices(plan)}, {amount(plan.gpu_hours)} GPU-hours{dollars}"),
    )
    return [f"The plan, by {option.law.key}:", *(f"  {name:14}  {text}" for name, text in says)]


def _devices(plan: Plan) -> str:
    return plan.hardware.name if plan.gpus == 1 else f"{plan.gpus:,} x {plan.hardware.name}"


def _memory(plan: Plan) -> list[str]:
    shape, memory = plan.chosen.shape, plan.hardware.memory
    header = (
        "GB on each",
        "weights",
        "copies",
        "gradients",
        "optimizer",
        "in all",
        "AdamW alone",
        "rows",
        "recomputed",
    )
    lines = columns(header, [_held(plan, kept) for kept in plan.held])
    row, less = (_gigabytes(row_activations(shape, recomputed)) for recomputed in (False, True))
    lines.append(f"A row of {shape.context_length:,} tokens takes {row} GB, recomputed {less} GB.")
    if not fits(shape, plan.gpus, plan.hardware):
        lines.append(f"It does not fit: {plan.gpus:,} of {memory / _GB:.0f} GB are too few.")
    return [f"Memory, of {memory / _GB:.0f} GB a tenth left free, and the rows that fit at once:", *lines]


def _held(plan: Plan, kept: Held) -> tuple[str, ...]:
    shape, memory = plan.chosen.shape, plan.hardware.memory
    alone = kept.total + kept.optimizer * (optimizer_bytes(shape, muon=False) / optimizer_bytes(shape) - 1)
    parts = (kept.weights, kept.copies, kept.gradients, kept.optimizer, kept.total, alone)
    less = held(shape, plan.gpus, kept.sharding, recomputed=True)
    rows = rows_that_fit(shape, kept.total, memory, False), rows_that_fit(shape, less.total, memory, True)
    name = kept.sharding if plan.gpus > 1 else "one device"
    return (name, *(_gigabytes(part) for part in parts), *(f"{each:,}" for each in rows))


def _gigabytes(value: float) -> str:
    return f"{value / _GB:,.1f}" if value >= _GB else f"{value / _GB:.2g}"


def _how_to_run(plan: Plan) -> list[str]:
    if plan.settings is None:
        return [f"Not for cygnet run: {plan.beyond}."]
    return how_to_start(plan.gpus, plan.settings)


def comparison_text(comparison: Comparison) -> str:
    """The published figures beside ours."""
    header = ("", "published", "ours", "difference", "tolerance", "within", "source")
    rows = [_compared(row) for row in comparison.rows]
    remarks = [f"- {remark}" for remark in comparison.remarks]
    return "\n".join([comparison.title, "", *columns(header, rows, left=(0, 6)), "", *remarks])


def _compared(row: Row) -> tuple[str, ...]:
    within = {None: "can't tell", True: "yes", False: "no"}[row.within]
    difference = "–" if row.difference is None else f"{100 * row.difference:+.0f} %"
    ours = "–" if row.ours is None else row.unit + _figure(row.ours)
    tolerance = "–" if row.difference is None else f"{100 * row.tolerance:.0f} %"
    return row.quantity, _published(row.published, row.unit), ours, difference, tolerance, within, row.source


def _published(figure: Figure | None, unit: str) -> str:
    if figure is None:
        return "–"
    if isinstance(figure, tuple):
        return " to ".join(unit + _figure(end) for end in figure)
    return unit + _figure(figure)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if 100 <= value < 1e5 else amount(value)
