"""Everything the report shows, read once from a run directory. What is not there yet is None or empty."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from cygnet.errors import UserError
from cygnet.files import read_json, read_jsonl
from cygnet.recipe.attempt import metrics_file
from cygnet.tokens.tokenizer import Tokenizer

Event = dict[str, Any]
TRAINED = ("pretrain", "sft", "reward", "rl")


@dataclass(frozen=True)
class RunData:
    """One run. `recipe` is the resolved recipe; `events` are the metrics of each trained stage in the order logged."""

    name: str
    recipe: dict[str, Any]
    lineage: dict[str, Any]
    corpus: dict[str, Any] | None
    tokens: dict[str, Any] | None
    tokenizer: Tokenizer | None
    events: dict[str, list[Event]]
    comparisons: list[dict[str, Any]]
    ladder: dict[str, Any] | None
    stage_samples: list[dict[str, Any]]
    probabilities: dict[str, Any] | None

    def metrics(self, stage: str) -> dict[str, Any] | None:
        """What a finished stage reported; None when it has not finished."""
        done = self.lineage["stages"].get(stage)
        return None if done is None else done["metrics"]

    def of(self, stage: str, kind: str) -> list[Event]:
        """A stage's events of one kind: "step", "eval" or "sample"."""
        return [event for event in self.events[stage] if event["event"] == kind]


def gather(run: Path) -> RunData:
    """Read a run directory, finished or not.

    Raises:
        UserError: `run` is not a folder of a run, or one of its files is not what it should be.
    """
    if not run.is_dir():
        raise UserError(f"{run} is not a run directory.")
    if not any((run / name).exists() for name in ("recipe.json", "lineage.json")):  # a report.html may be the user's
        raise UserError(f"{run} is not a run directory: it has neither recipe.json nor lineage.json.")
    return RunData(
        name=run.resolve().name,
        recipe=_json(run / "recipe.json") or {},
        lineage={"stages": {}} | (_json(run / "lineage.json") or {}),
        corpus=_json(run / "corpus/stats.json"),
        tokens=_json(run / "tokens/index.json"),
        tokenizer=Tokenizer.load(run / "tokenizer") if (run / "tokenizer").is_dir() else None,
        events={stage: _events(metrics_file(run, stage)) for stage in TRAINED},
        comparisons=_rows(run / "comparisons/heldout.jsonl"),
        ladder=_json(run / "arena/ladder.json"),
        stage_samples=_rows(run / "arena/stages.jsonl"),
        probabilities=_json(run / "arena/probabilities.json"),
    )


def curve(events: Sequence[Event], y: str, x: str = "step") -> tuple[list[float], list[float]]:
    """The points (event[x], event[y]) of those events that have both as finite numbers."""
    pairs = [(event.get(x), event.get(y)) for event in events]
    kept = [(float(a), float(b)) for a, b in pairs if a is not None and b is not None and isfinite(b)]
    return [a for a, _ in kept], [b for _, b in kept]


def _json(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected an object, found {type(value).__name__}.")
    return value


def _rows(path: Path) -> list[dict[str, Any]]:
    return read_jsonl(path) if path.exists() else []


def _events(path: Path) -> list[Event]:
    """A stage's whole lines. Its last one may be half written: the report may be asked for while the stage runs."""
    if not path.exists():
        return []
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1] if line]
    except ValueError as error:
        raise UserError(f"{path} is not JSON Lines: {error}") from error
