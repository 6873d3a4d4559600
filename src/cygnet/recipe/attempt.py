"""One attempt at a step: its checkpoints, its metrics, and the time it takes over all interruptions."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cygnet.files import read_json, write_json
from cygnet.recipe.changes import changes
from cygnet.recipe.lineage import Ingredients


@dataclass(frozen=True)
class Attempt:
    """An attempt under way at a step. `started` is a time since the epoch; `earlier` the seconds that interrupted
    attempts took before it."""

    checkpoints: Path
    metrics: Path
    started: float
    earlier: float

    @classmethod
    def begin(cls, step: str, folder: Path, ingredients: Ingredients, manner: Mapping[str, Any]) -> "Attempt":
        """Continue the last attempt if it was at the same thing; otherwise remove what it left, saying what changed.

        `manner` is how it is carried out, such as the number of threads. Another manner is no other thing, but it is
        said: sums come out in another order.
        """
        checkpoints, metrics = folder / "checkpoints" / step, folder / "metrics" / f"{step}.jsonl"
        key = checkpoints / "key.json"
        last = read_json(key) if key.exists() else {}
        earlier = 0.0
        changed = _changed(last, ingredients)
        if not changed:
            earlier = last["earlier"] + max(0.0, _last_sign_of_life(checkpoints, metrics) - last["started"])
            if last["manner"] != manner and any(checkpoints.glob("step_*")):
                print(_otherwise(step, last["manner"], manner), flush=True)
        elif checkpoints.exists() or metrics.exists():
            updates = max((int(path.name.removeprefix("step_")) for path in checkpoints.glob("step_*")), default=0)
            what = f"the checkpoints of its first {updates:,} updates" if updates else "what it had begun"
            print(f"{step} starts afresh, and {what} and its metrics are removed. Changed: {changed}.", flush=True)
            shutil.rmtree(checkpoints, ignore_errors=True)
            metrics.unlink(missing_ok=True)
        attempt = cls(checkpoints, metrics, started=time.time(), earlier=earlier)
        about = {"manner": dict(manner), "started": attempt.started, "earlier": earlier}
        write_json(key, {"ingredients": asdict(ingredients), **about})
        metrics.parent.mkdir(parents=True, exist_ok=True)
        return attempt

    def finish(self) -> float:
        """Seconds that all attempts took together. A step that left no checkpoints leaves no folder for them."""
        if [path.name for path in self.checkpoints.iterdir()] == ["key.json"]:
            shutil.rmtree(self.checkpoints)
        return self.earlier + time.time() - self.started


def _changed(last: Mapping[str, Any], ingredients: Ingredients) -> str:
    """What is other than in the attempt before, in words; empty if nothing is."""
    if not isinstance(last.get("ingredients"), dict) or "manner" not in last:
        return "the version of cygnet"
    return changes(Ingredients(**last["ingredients"]), ingredients)


def _otherwise(step: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    other = [key for key in after if before.get(key) != after[key]]
    now, then = (", ".join(f"{key}={values.get(key)}" for key in other) for values in (after, before))
    return f"{step}: goes on with {now} after {then}: its result will not be the same bit for bit"


def _last_sign_of_life(checkpoints: Path, metrics: Path) -> float:
    """When an interrupted attempt last wrote something: a killed process can't say how long it ran."""
    files = [*checkpoints.rglob("*"), metrics]
    return max(file.stat().st_mtime for file in files if file.exists())
