"""Step checkpoints without pickle: tensors in safetensors, everything else in JSON, verified by hash."""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cygnet.errors import UserError
from cygnet.files import read_json, sha256_of, write_aside, write_json

_STEP = re.compile(r"step_(\d+)")
_KEPT = 2

# what reading a file that lacks some bytes, or has others, may raise
_DAMAGE = (UserError, SafetensorError, OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration)


def save_checkpoint(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write `folder/step_<step>` complete or not at all, and drop all but the newest two.

    `state` is nested dicts and lists of tensors, numbers, strings, booleans and None.
    """
    tensors: dict[str, Tensor] = {}
    structure = _split(state, "", tensors)
    with write_aside(folder / f"step_{step:08d}") as temporary:
        temporary.mkdir(parents=True)
        save_file(tensors, temporary / "state.safetensors")
        write_json(temporary / "state.json", {"sha256": sha256_of(temporary / "state.safetensors"), "state": structure})
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


def _load(path: Path) -> dict[str, Any] | None:
    try:
        record = read_json(path / "state.json")
        if sha256_of(path / "state.safetensors") != record["sha256"]:
            return None
        state = _join(record["state"], load_file(path / "state.safetensors"))
    except _DAMAGE:
        return None
    return state if isinstance(state, dict) else None


def _steps(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("step_*") if _STEP.fullmatch(path.name)]
    return sorted(found, key=_step_of)


def _step_of(path: Path) -> int:
    return int(path.name.removeprefix("step_"))


def _split(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Move tensors out of a nested value, leaving {"tensor": name} in their place."""
    if isinstance(value, Tensor):
        tensors[path] = value.detach().cpu().clone().contiguous()
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
