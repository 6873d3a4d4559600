"""Step checkpoints without pickle: tensors in safetensors, everything else in JSON, verified by hash.

A checkpoint is a folder with a part from each process that holds what others don't, and `state.json`, which says what
is in them. The folder gets its name, and counts, when all of that is on disk.
"""

import hashlib
import json
import shutil
import sys
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cygnet.errors import ToldError, UserError
from cygnet.files import sha256_of, write_aside, write_json
from cygnet.training.checkpoint_names import checkpoint_name, steps_in
from cygnet.training.pieces import Snapshot, restored, snapshot
from cygnet.training.world import World

_KEPT = 2

# what reading may raise where a file is gone, lacks some bytes, or has others
_GONE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
_DAMAGE = (*_GONE, SafetensorError, ValueError, LookupError, TypeError, AttributeError, RecursionError, StopIteration)


class _Pending(NamedTuple):
    """A checkpoint that a thread is writing, or its part of it, of which it then returns what `state.json` says."""

    step: int
    structure: Any
    part: Future[dict[str, Any]]


class CheckpointWriter:
    """Writes a folder's checkpoints in a thread, so that training goes on meanwhile.

    One at a time: saving waits for the one before. What goes wrong in the thread is raised by the next `check` or
    `save`, or at the end of the `with` block, which waits until everything is on disk, however it is left.

    world: those that write a checkpoint together, each its part: all of them save, check and leave after the same
    update. Such a checkpoint counts from the first time they do so with all parts on disk.
    """

    def __init__(self, folder: Path, world: World = World()) -> None:  # noqa: B008 - it is frozen, and alone
        self.world = world
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._pending: _Pending | None = None

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Copy `state` as it is now and have it written. See `save_checkpoint`."""
        self.wait()
        taken = snapshot(state, self.world.first)
        if self.world.size == 1:
            part = self._thread.submit(_write, self._folder, step, taken)
        else:
            part = self._thread.submit(_write_part, _aside(self._folder, step), self.world.rank, taken)
        self._pending = _Pending(step, taken.structure, part)

    def check(self) -> None:
        """Raise what went wrong, if anything did, without waiting."""
        if self._pending is None:
            return
        unfinished = float(not self._pending.part.done())
        if self.world.sums([unfinished]) == [0.0]:
            self.wait()

    def wait(self) -> None:
        """Wait until the last checkpoint is on disk."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        failure = pending.part.exception()
        failures = self.world.sums([float(failure is not None)])
        if failure is not None:
            raise failure
        if failures != [0.0]:
            raise ToldError("another process could not write its part of a checkpoint; it says why.")
        if self.world.size > 1:
            parts = self.world.hear(pending.part.result())
            if self.world.first:
                _finish(self._folder, pending.step, parts, pending.structure)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._thread.shutdown(wait=True)
        if error is None or isinstance(error, KeyboardInterrupt):  # what is raised already was there first
            self.wait()


def save_checkpoint(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write `folder/step_<step>` complete or not at all, and drop all but it and the one before.

    `state` is nested dicts and lists of tensors, numbers, strings, booleans and None.
    """
    _write(folder, step, snapshot(state))


def latest_checkpoint(
    folder: Path,
    world: World = World(),  # noqa: B008 - it is frozen, and alone
    restart: bool = False,
) -> tuple[int, dict[str, Any]] | None:
    """Step and state of the newest sound checkpoint, or None if there are none. Damaged ones after it are removed.

    The processes of a `world` ask together, and each verifies some of the parts. What was sharded comes as `Pieces`.

    Raises UserError, in all of them, where one can't be read, which doesn't say that it is damaged, and where all are
    damaged, unless `restart` says that these may be removed.
    """
    steps = world.tell(steps_in(folder) if world.first else None)
    for place in reversed(range(len(steps))):
        state = _sound(folder / checkpoint_name(steps[place]), world)
        if state is not None:
            _remove(folder, steps[place + 1 :], f"using that of step {steps[place]}", world)
            return steps[place], state
    if steps and not restart:
        names = ", ".join(map(checkpoint_name, steps))
        raise UserError(
            f"all checkpoints in {folder} are damaged: {names}. Put back a copy of one, or add --restart, "
            "which removes them: then this stage begins again."
        )
    _remove(folder, steps, "training begins again", world)
    return None


def _remove(folder: Path, steps: list[int], instead: str, world: World) -> None:
    """Remove damaged checkpoints, which would take the places of sound ones."""
    for step in steps if world.first else []:
        path = folder / checkpoint_name(step)
        try:
            shutil.rmtree(path)
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"checkpoint {path} is damaged, and can't be removed: {reason}. Remove it.") from error
        print(f"checkpoint {path} is damaged, and removed; {instead}.", file=sys.stderr)


def _write(folder: Path, step: int, state: Snapshot) -> dict[str, Any]:
    """A whole checkpoint, by one process."""
    with write_aside(folder / checkpoint_name(step)) as temporary:
        part = _write_part(temporary, 0, state)
        _describe(temporary, [part], state.structure)
    _drop_old(folder)
    return part


def _write_part(folder: Path, rank: int, state: Snapshot) -> dict[str, Any]:
    """What one process knows into its file; returns what `state.json` has to say of it."""
    path = folder / f"part_{rank}.safetensors"
    with write_aside(path) as temporary:
        save_file(state.tensors, temporary)
        return {"file": path.name, "sha256": sha256_of(temporary), "rows": state.rows}


def _describe(folder: Path, parts: list[dict[str, Any]], structure: Any) -> None:
    record = {"parts": parts, "state": structure}
    write_json(folder / "state.json", {"sha256": _hash(record), **record})


def _finish(folder: Path, step: int, parts: list[dict[str, Any]], structure: Any) -> None:
    """Make a checkpoint of the parts that all processes have written."""
    temporary = _aside(folder, step)
    for file in temporary.iterdir():
        if file.name not in [part["file"] for part in parts]:
            file.unlink()  # of an earlier attempt with more processes, which was killed
    _describe(temporary, parts, structure)
    temporary.replace(folder / checkpoint_name(step))
    _drop_old(folder)


def _drop_old(folder: Path) -> None:
    for old in steps_in(folder)[:-_KEPT]:
        shutil.rmtree(folder / checkpoint_name(old))


def _sound(path: Path, world: World) -> dict[str, Any] | None:
    """The state in a checkpoint that is whole and as it was written, for all processes, or None."""
    state, failure = None, None
    try:
        state = _load(path, world)
    except OSError as error:
        failure = error
    damaged, failed = world.sums([float(state is None), float(failure is not None)])
    if failure is not None:
        reason = failure.strerror or failure
        raise UserError(
            f"checkpoint {path} can't be read: {reason}. When it can be, give the command again."
        ) from failure
    if failed:
        raise ToldError("another process could not read a checkpoint; it says why.")
    return None if damaged else state


def _load(path: Path, world: World) -> dict[str, Any] | None:
    """See `_sound`; each process checks some of the parts. Raises OSError for what is there but can't be read."""
    try:
        found = json.loads((path / "state.json").read_text(encoding="utf-8"))
        parts = found["parts"]
        sound = found["sha256"] == _hash({"parts": parts, "state": found["state"]})
        mine = parts[world.rank :: world.size]
        if not sound or any(sha256_of(path / part["file"]) != part["sha256"] for part in mine):
            return None
        state = _read(path, parts, found["state"])
    except _DAMAGE:
        return None
    return state if isinstance(state, dict) else None


def _read(path: Path, parts: list[dict[str, Any]], structure: Any) -> Any:
    pieces: dict[str, list[tuple[int, Tensor]]] = defaultdict(list)
    counts: dict[str, int] = {}
    for part in parts:
        for name, tensor in load_file(path / part["file"]).items():
            start, count = part["rows"].get(name, (0, None))
            pieces[name].append((start, tensor))
            if count is not None:
                counts[name] = count
    return restored(structure, pieces, counts)


def _hash(record: Any) -> str:
    return hashlib.sha256(json.dumps(record).encode()).hexdigest()


def _aside(folder: Path, step: int) -> Path:
    """Where parts are until there are all of them; the runner sweeps it away where a killed run has left it."""
    return folder / f".{checkpoint_name(step)}.writing-together"
