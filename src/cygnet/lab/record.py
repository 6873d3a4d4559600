"""lab.json: what a lab found out, for programs."""

from typing import Any

import cygnet
from cygnet.lab.climb import Climb, Comparison, LeftOut
from cygnet.lab.measure import Measured


def record(outcome: Climb) -> dict[str, Any]:
    """Everything but the answers, which are in answers.jsonl."""
    task, picks = outcome.task, outcome.picks
    return {
        "task": task.config.model_dump(mode="json"),
        "model": outcome.model.address,
        "cygnet": cygnet.__version__,
        "items": {
            "pool": len(task.items.pool),
            "choosing": len(task.items.choosing),
            "held_out": len(task.items.held_out),
        },
        "rungs": [_rung(rung, outcome) for rung in outcome.rungs],
        "best": picks and picks.best,
        "cheapest": picks and picks.cheapest,
        "held_out": picks and {name: _measured(rung) for name, rung in picks.held_out.items()},
        "cheapest_over_best": picks and _comparison(picks.compare(picks.cheapest, picks.best)),
        "stopped": outcome.stopped or None,
    }


def _rung(rung: Measured | LeftOut, outcome: Climb) -> dict[str, Any]:
    if isinstance(rung, LeftOut):
        return {"rung": rung.rung, "left_out": rung.reason}
    comparison = outcome.comparisons.get(rung.rung)
    return {
        "rung": rung.rung,
        **_measured(rung),
        "against": comparison and _comparison(comparison),
        "technique": rung.setting,
    }


def _measured(rung: Measured) -> dict[str, Any]:
    items, usage = len(rung.graded), rung.usage
    return {
        "right": sum(rung.right),
        "items": items,
        "accuracy": rung.accuracy,
        "interval": list(rung.interval),
        "tokens_read": usage.prompt_tokens / items,
        "tokens_written": usage.completion_tokens / items,
        "seconds": usage.seconds / items,
        "money": usage.cost / items,
        "calls": usage.calls / items,
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "over": comparison.over,
        "difference": comparison.difference,
        "interval": list(comparison.interval),
        "verdict": comparison.words,
    }
