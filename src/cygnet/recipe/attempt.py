"""One attempt at a step: its checkpoints, its metrics, and the time it takes over all interruptions."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cygnet.errors import UserError
from cygnet.files import read_json, write_json
from cygnet.page.formats import plain_duration
from cygnet.recipe.changes import changes
from cygnet.recipe.lineage import Ingredients, Lineage
from cygnet.training.checkpoint_names import steps_in


@dataclass(frozen=True)
class Left:
    """What the last attempt at a step left: its checkpoints, its metrics, and in `key` what it was made of."""

    step: str
    checkpoints: Path
    metrics: Path
    key: Mapping[str, Any]

    @classmethod
    def of(cls, step: str, folder: Path) -> "Left":
        """By the step of the run in `folder`."""
        checkpoints, metrics = folder / "checkpoints" / step, _metrics(folder, step)
        key = checkpoints / "key.json"
        return cls(step, checkpoints, metrics, _read(key) if key.exists() else {})

    @property
    def ingredients(self) -> Ingredients | None:
        """What it was made of; None if that can't be told."""
        return Ingredients(**self.key["ingredients"]) if self.key else None

    @property
    def updates(self) -> int:
        """Updates after which there is a checkpoint."""
        return max(steps_in(self.checkpoints), default=0)

    @property
    def seconds(self) -> float:
        """Taken by it and those it continued. A killed process can't say how long it ran: its last file counts."""
        if not self.key:
            return 0.0
        files = [*self.checkpoints.rglob("*"), self.metrics]
        sign_of_life: float = max(file.stat().st_mtime for file in files if file.exists())
        earlier, started = float(self.key["earlier"]), float(self.key["started"])
        return earlier + max(0.0, sign_of_life - started)

    def unfinished(self, lineage: Lineage) -> bool:
        """Whether it has checkpoints to go on from, and didn't end as the step that is recorded as finished."""
        record = lineage.records.get(self.step)
        return self.updates > 0 and (record is None or record.ingredients != self.ingredients)

    def changed(self, ingredients: Ingredients) -> str:
        """What is other in `ingredients`, in words; empty if nothing is."""
        if self.ingredients:
            return changes(self.ingredients, ingredients)
        key = self.checkpoints / "key.json"
        return f"{key}, which is {'not as this version of cygnet writes it' if key.exists() else 'gone'}"

    def refusal(self, changed: str) -> UserError:
        """Why the step can't go on, and what can be done."""
        after = f" ({plain_duration(self.seconds)})" if self.key else ""
        return UserError(
            f"{self.step} was interrupted after {_updates(self.updates)}{after}, and since then this has changed: "
            f"{changed}. Put it back to go on from there, add --restart to begin {self.step} again, which deletes what "
            "it had done, or choose another --out."
        )

    def remove(self, finished: bool) -> None:
        """Remove all of it, but the metrics of a step that was `finished` only when it is finished anew."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        if finished and self.metrics.exists() and not _finished(self.metrics).exists():
            self.metrics.rename(_finished(self.metrics))
        self.metrics.unlink(missing_ok=True)


@dataclass(frozen=True)
class Attempt:
    """An attempt under way at a step. `started` is a time since the epoch; `earlier` the seconds that interrupted
    attempts took before it."""

    checkpoints: Path
    metrics: Path
    started: float
    earlier: float

    @classmethod
    def begin(
        cls,
        left: Left,
        lineage: Lineage,
        ingredients: Ingredients,
        upstream: Mapping[str, Ingredients],
        manner: Mapping[str, Any],
        restart: bool,
    ) -> "Attempt":
        """Go on with what the last attempt `left` if it was at the same thing; if it was not, begin again.

        upstream: what the steps were made of on which this one depends, to name a change there before it arrives.
        manner: how it is carried out, such as the number of threads and torch's version. Another manner is no other
            thing, but it is said: sums come out in another order.

        Raises UserError when an unfinished attempt was at another thing, unless `restart` allows to throw it away.
        """
        changed = left.changed(ingredients)
        earlier = 0.0 if changed else left.seconds
        if changed:
            if left.unfinished(lineage):
                if not restart:
                    raise left.refusal(changed)
                print(_begins_again(left, changed), flush=True)
            left.remove(finished=left.step in lineage.records)
        elif left.updates:
            if restart:
                print(f"{left.step} goes on: nothing that it is made of has changed.", flush=True)
            if otherwise := _otherwise(left.key["manner"], manner):
                print(f"{left.step} {otherwise}", flush=True)
        attempt = cls(left.checkpoints, left.metrics, started=time.time(), earlier=earlier)
        made_of = {"ingredients": asdict(ingredients), "upstream": {name: asdict(of) for name, of in upstream.items()}}
        about = {"manner": dict(manner), "started": attempt.started, "earlier": earlier}
        write_json(left.checkpoints / "key.json", {**made_of, **about})
        left.metrics.parent.mkdir(parents=True, exist_ok=True)
        return attempt

    def finish(self) -> float:
        """Seconds that all attempts took together. A step that left no checkpoints leaves no folder for them."""
        if [path.name for path in self.checkpoints.iterdir()] == ["key.json"]:
            shutil.rmtree(self.checkpoints)
        _finished(self.metrics).unlink(missing_ok=True)
        return self.earlier + time.time() - self.started


def _read(key: Path) -> dict[str, Any]:
    """What an attempt wrote down of itself; empty if it is not as `Attempt.begin` writes it."""
    try:
        found: dict[str, Any] = read_json(key)
        for made_of in (found["ingredients"], *found.get("upstream", {}).values()):
            Ingredients(**made_of)
        float(found["earlier"]), float(found["started"])
        dict(found["manner"])
    except (UserError, LookupError, TypeError, ValueError, AttributeError):
        return {}
    return found


def metrics_file(folder: Path, step: str) -> Path:
    """Where the metrics are of the step as it was finished last; if it never was, of the attempt under way."""
    metrics = _metrics(folder, step)
    finished = _finished(metrics)
    return finished if finished.exists() else metrics


def _metrics(folder: Path, step: str) -> Path:
    return folder / "metrics" / f"{step}.jsonl"


def _finished(metrics: Path) -> Path:
    """Where they wait while another attempt is under way."""
    return metrics.with_suffix(".finished.jsonl")


def _begins_again(left: Left, changed: str) -> str:
    removed = f"the checkpoints of its first {_updates(left.updates)} and its metrics are removed"
    return f"{left.step} begins again: {removed}. Changed: {changed}."


def _updates(number: int) -> str:
    return f"{number:,} update{'' if number == 1 else 's'}"


def _otherwise(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """What is said of another manner, if it is one in what is known of both."""
    other = [key for key in after if key in before and before[key] != after[key]]
    then, now = (", ".join(f"{key}={values[key]}" for key in other) for values in (before, after))
    promise = "what comes will not be bit for bit what an uninterrupted run would have given"
    return f"was begun with {then} and goes on with {now}: {promise}." if other else ""
