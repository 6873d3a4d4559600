"""A task makes one file out of others, and says beside it, in a manifest, of what and how: so it need not run twice.

A stage is a function of a `Task` that writes the task's output to the path it is given and returns what there is to
say of it: counts, samples. It may run in any process on any machine that sees the files.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cygnet.corpus.pipeline.version import stage_version
from cygnet.errors import UserError
from cygnet.files import read_json, write_aside, write_json


@dataclass(frozen=True)
class Task:
    """One shard's worth of work.

    stage: name of the function in `stages.STAGES`. inputs: the files it reads. output: the file it writes.
    told: what it is told besides, as JSON values.
    """

    stage: str
    inputs: tuple[str, ...]
    output: str
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def manifest(self) -> Path:
        """Where it says what its output was made of."""
        return manifest_of(Path(self.output))

    def fingerprint(self) -> str:
        """Changes when an input, the stage's settings, its code or a parser's version do."""
        code, inputs = stage_version(self.stage, self.told), [_state(Path(path)) for path in self.inputs]
        seen = [code, self.stage, inputs, self.told]
        return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


Stage = Callable[[Task, Path], dict[str, Any]]


def manifest_of(output: Path) -> Path:
    """The manifest of a file that a task wrote."""
    return output.with_name(f"{output.name}.json")


def is_done(task: Task) -> bool:
    """Whether the output is there, made of these inputs in this way."""
    if not (Path(task.output).is_file() and task.manifest.is_file()):
        return False
    return _fingerprint(task.manifest) == task.fingerprint()


def perform(task: Task, stage: Stage) -> None:
    """Run a task unless it is done. Its output is whole or absent; the manifest comes last."""
    if is_done(task):
        return
    fingerprint = task.fingerprint()
    task.manifest.unlink(missing_ok=True)
    with write_aside(Path(task.output)) as temporary:
        said = stage(task, temporary)
    write_json(task.manifest, {"fingerprint": fingerprint, "task": asdict(task), **said})


def _state(path: Path) -> list[Any]:
    """What a file is known by: what its own manifest says, or else its name, size and time of change."""
    made = manifest_of(path)
    if made.is_file() and (fingerprint := _fingerprint(made)):
        return [path.name, fingerprint]
    try:
        stat = path.stat()
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist. If it was moved while cygnet was at work, start again.") from error
    return [str(path), stat.st_size, stat.st_mtime_ns]


def _fingerprint(manifest: Path) -> str | None:
    """What a manifest says; None for a file of somebody else's that is called like one."""
    try:
        found = read_json(manifest)
    except UserError:
        return None
    return found.get("fingerprint") if isinstance(found, dict) and "task" in found else None
