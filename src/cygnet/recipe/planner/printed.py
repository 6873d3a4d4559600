"""What `cygnet plan` prints and writes."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cygnet.errors import UserError
from cygnet.recipe.planner.batches import recipe_rates
from cygnet.recipe.planner.plan import Option, Plan, make_plan
from cygnet.recipe.planner.published import compare
from cygnet.recipe.planner.request import Request
from cygnet.recipe.planner.table import comparison_text, plan_text


def plan(request: Request, out: Path | None = None, as_json: bool = False) -> str:
    """A plan as text or JSON; its plot is written to `out`.

    Raises:
        UserError: for a request that can't be planned, or an `out` that is no .svg file.
    """
    if out is not None and out.suffix != ".svg":
        raise UserError(f"the plot is an SVG file: name --out {out.with_suffix('.svg')}, not {out}.")
    made = make_plan(request)
    if out is not None:
        from cygnet.recipe.planner.plot import write_plot

        write_plot(made, out)
    return _json(plan_values(made)) if as_json else plan_text(made)


def comparison(name: str, mfu: float | None = None, as_json: bool = False, alone: bool = True) -> str:
    """A published run beside ours, as text or JSON. alone: whether nothing else was asked for.

    Raises:
        UserError: for an unknown run, or when anything but `mfu` was asked for too.
    """
    if not alone:
        raise UserError("--like takes a published run as it was: besides it only --mfu and --json can be given.")
    compared = compare(name, mfu)
    if not as_json:
        return comparison_text(compared)
    rows = [{**asdict(row), "difference": row.difference, "within": row.within} for row in compared.rows]
    return _json({"title": compared.title, "rows": rows, "remarks": compared.remarks})


def plan_values(made: Plan) -> dict[str, Any]:
    """A plan as JSON values, its request included."""
    muon, adamw = recipe_rates(made.chosen.shape, made.rows)
    return {
        "request": asdict(made.request),
        "hardware": asdict(made.hardware),
        "flops": made.compute,
        "options": [_option(option) for option in made.options],
        "plan": {
            **_option(made.chosen),
            "rows_per_step": made.rows,
            "steps": made.steps,
            "matrix_lr": muon,
            "other_lr": adamw,
            "gpus": made.gpus,
            "hours": made.hours,
            "gpu_hours": made.gpu_hours,
            "dollars": made.dollars,
            "bytes_on_each": [{**asdict(held), "total": held.total} for held in made.held],
            "settings": made.settings,
        },
    }


def _option(option: Option) -> dict[str, Any]:
    return {
        "law": option.law.key,
        "about": option.law.about,
        "source": option.law.source,
        "wanted": option.wanted,
        "parameters": option.parameters,
        "tokens": option.tokens,
        "config": option.shape.to_huggingface(),
    }


def _json(values: Any) -> str:
    return json.dumps(values, indent=1, ensure_ascii=False)
