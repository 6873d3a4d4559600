"""One attempt at a step: its checkpoints, its metrics, and the time it takes over all interruptions."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from cygnet.files import read_json, write_json


@dataclass(frozen=True)
class Attempt:
    """An attempt under way at a step that will be made of the ingredients with this hash.

    `started` is a time since the epoch; `earlier` the seconds that interrupted attempts took before it.
    """

    checkpoints: Path
    metrics: Path
    ingredients: str
    started: float
    earlier: float

    @classmethod
    def begin(cls, step: str, folder: Path, ingredients: str, threads: int) -> "Attempt":
        """Continue the last attempt if it was at the same thing; otherwise remove what it left, saying so.

        Another number of threads is no other thing, but it is said: sums come out in another order.
        """
        checkpoints, metrics = folder / "checkpoints" / step, folder / "metrics" / f"{step}.jsonl"
        key = checkpoints / "key.json"
        last = read_json(key) if key.exists() else {}
        earlier = 0.0
        if last.get("ingredients") == ingredients:
            earlier = last["earlier"] + max(0.0, _last_sign_of_life(checkpoints, metrics) - last["started"])
            if last["threads"] != threads and any(checkpoints.glob("step_*")):
                print(
                    f"{step}: goes on with threads={threads} after threads={last['threads']}: "
                    "its result will not be the same bit for bit",
                    flush=True,
                )
        elif checkpoints.exists() or metrics.exists():
            print(
                f"{step}: its inputs, settings or code changed; its old checkpoints and metrics are removed", flush=True
            )
            shutil.rmtree(checkpoints, ignore_errors=True)
            metrics.unlink(missing_ok=True)
        attempt = cls(checkpoints, metrics, ingredients, started=time.time(), earlier=earlier)
        write_json(
            key, {"ingredients": ingredients, "threads": threads, "started": attempt.started, "earlier": earlier}
        )
        metrics.parent.mkdir(parents=True, exist_ok=True)
        return attempt

    def finish(self) -> float:
        """Seconds that all attempts took together. A step that left no checkpoints leaves no folder for them."""
        if [path.name for path in self.checkpoints.iterdir()] == ["key.json"]:
            shutil.rmtree(self.checkpoints)
        return self.earlier + time.time() - self.started


def _last_sign_of_life(checkpoints: Path, metrics: Path) -> float:
    """When an interrupted attempt last wrote something: a killed process can't say how long it ran."""
    files = [*checkpoints.rglob("*"), metrics]
    return max(file.stat().st_mtime for file in files if file.exists())
