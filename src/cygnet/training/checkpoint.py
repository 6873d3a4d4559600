"""Step checkpoints without pickle: tensors in safetensors, everything else in JSON, verified by hash."""

import hashlib
import json
import re
import shutil
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cygnet.errors import UserError
from cygnet.files import read_json, sha256_of, write_aside, write_json

_STEP = re.compile(r"step_(\d+)")
_KEPT = 2

# what reading a file that lacks some bytes, or has others, may raise
_DAMAGE = (UserError, SafetensorError, OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration)


class Snapshot(NamedTuple):
    """A state as it was: copies of its tensors in host memory, and everything else with their names in their places."""

    tensors: dict[str, Tensor]
    structure: Any


class CheckpointWriter:
    """Writes a folder's checkpoints in a thread, so that training goes on meanwhile.

    One at a time: saving waits for the one before. What goes wrong in the thread is raised by the next `check` or
    `save`, or at the end of the `with` block, which waits until everything is on disk, however it is left.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future[None] | None = None

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Copy `state` as it is now and have it written. See `save_checkpoint`."""
        self.wait()
        self._writing = self._thread.submit(_write, self._folder, step, snapshot(state))

    def check(self) -> None:
        """Raise what went wrong, if anything did, without waiting."""
        if self._writing is not None and self._writing.done():
            self.wait()

    def wait(self) -> None:
        """Wait until the last checkpoint is on disk."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._thread.shutdown(wait=True)
        if error is None or isinstance(error, KeyboardInterrupt):  # what is raised already was there first
            self.wait()


def save_checkpoint(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write `folder/step_<step>` complete or not at all, and drop all but the newest two.

    `state` is nested dicts and lists of tensors, numbers, strings, booleans and None.
    """
    _write(folder, step, snapshot(state))


def snapshot(state: dict[str, Any]) -> Snapshot:
    """Copies of everything in `state`, which may change afterwards."""
    tensors: dict[str, Tensor] = {}
    return Snapshot(tensors, _split(state, "", tensors))


def _write(folder: Path, step: int, state: Snapshot) -> None:
    with write_aside(folder / _name(step)) as temporary:
        temporary.mkdir(parents=True)
        save_file(state.tensors, temporary / "state.safetensors")
        record = {"state": state.structure, "state_sha256": _hash(state.structure)}
        write_json(temporary / "state.json", {"sha256": sha256_of(temporary / "state.safetensors"), **record})
    for old in _steps(folder)[:-_KEPT]:
        shutil.rmtree(old)


def latest_checkpoint(folder: Path) -> tuple[int, dict[str, Any]] | None:
    """Step and state of the newest sound checkpoint, or None. A damaged one is passed over, saying so."""
    for path in reversed(_steps(folder)):
        state = _load(path)
        if state is not None:
            return _step_of(path), state
        print(f"checkpoint {path} is damaged; using the one before it.", file=sys.stderr)
    return None


def load_checkpoint(folder: Path, step: int) -> dict[str, Any] | None:
    """The state at a step, or None if it isn't there or isn't sound."""
    return _load(folder / _name(step))


def _name(step: int) -> str:
    return f"step_{step:08d}"


def _load(path: Path) -> dict[str, Any] | None:
    try:
        record = read_json(path / "state.json")
        if (
            sha256_of(path / "state.safetensors") != record["sha256"]
            or _hash(record["state"]) != record["state_sha256"]
        ):
            return None
        state = _join(record["state"], load_file(path / "state.safetensors"))
    except _DAMAGE:
        return None
    return state if isinstance(state, dict) else None


def _hash(structure: Any) -> str:
    return hashlib.sha256(json.dumps(structure).encode()).hexdigest()


def _steps(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("step_*") if _STEP.fullmatch(path.name)]
    return sorted(found, key=_step_of)


def _step_of(path: Path) -> int:
    return int(path.name.removeprefix("step_"))


def _split(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Move tensors out of a nested value, leaving {"tensor": name} in their place."""
    if isinstance(value, Tensor):
        tensors[path] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": path}
    if isinstance(value, dict):
        return {"dict": [[key, _split(item, f"{path}/{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_split(item, f"{path}/{i}", tensors) for i, item in enumerate(value)]}
    return {"value": value}


def _join(node: dict[str, Any], tensors: dict[str, Tensor]) -> Any:
    kind, content = next(iter(node.items()))
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _join(item, tensors) for key, item in content}
    if kind == "list":
        return [_join(item, tensors) for item in content]
    return content
