"""report.json: the numbers of a run, for programs. A stage that has not finished is null."""

from typing import Any

from cygnet.recipe.report.data import RunData

Summary = dict[str, Any]

_LADDER_KEYS = ("player", "elo", "ci95", "games")
_STAGE_KEYS = {
    "pretrain": ("parameters", "tokens", "tokens_per_second", "heldout_bits_per_byte", "xz_bits_per_byte"),
    "sft": ("heldout_task_accuracy", "by_family"),
    "reward": ("comparisons", "heldout_pair_accuracy", "ci95"),
    "rl": ("gold_before", "gold_after", "gain_ci95", "reward_before", "reward_after", "kl"),
}


def summarize(data: RunData) -> Summary:
    """The run's numbers: recipe, seconds, machine, stages and ladder (best first)."""
    lineage = data.lineage
    return {
        "recipe": lineage.get("recipe"),
        "seconds": lineage.get("seconds"),
        "machine": lineage.get("machine"),
        "stages": {"corpus": _corpus(data)} | {name: _stage(data, name) for name in _STAGE_KEYS},
        "ladder": None
        if data.ladder is None
        else [{key: row[key] for key in _LADDER_KEYS} for row in data.ladder["ladder"]],
    }


def _corpus(data: RunData) -> dict[str, Any] | None:
    if data.corpus is None:
        return None
    tokens = data.tokens or {}
    return {
        "documents": data.corpus["documents"],
        "bytes": data.corpus["bytes"],
        "tokens_by_source": tokens.get("tokens_by_source"),
        "proportions": tokens.get("proportions"),
    }


def _stage(data: RunData, name: str) -> dict[str, Any] | None:
    metrics = data.metrics(name)
    return None if metrics is None else {key: metrics.get(key) for key in _STAGE_KEYS[name]}
