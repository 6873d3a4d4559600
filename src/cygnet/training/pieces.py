"""What a checkpoint keeps of a state: tensors, of which a process may hold some rows only, and what JSON can hold."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cygnet.training.distribution import is_sharded, own_rows


class Snapshot(NamedTuple):
    """A state as it was.

    tensors: copies in host memory; of a sharded tensor, the rows that this process holds.
    rows: of those, the first row's number and how many the tensor has in all.
    structure: everything else, with {"tensor": name} where a tensor was.
    """

    tensors: dict[str, Tensor]
    rows: dict[str, tuple[int, int]]
    structure: Any


class Pieces:
    """A tensor whose rows lie in several files. They are mapped into memory, so only the rows asked for are read."""

    def __init__(self, pieces: list[tuple[int, Tensor]], count: int) -> None:
        """`pieces` are first rows and tensors. Raises ValueError when together they aren't `count` rows."""
        self._pieces = sorted(pieces, key=lambda piece: piece[0])
        bounds = [0, *(start + len(tensor) for start, tensor in self._pieces)]
        if [start for start, _ in self._pieces] != bounds[:-1] or bounds[-1] != count:
            raise ValueError(f"rows are missing: of {count}, pieces begin and end at {bounds}")
        self.shape = torch.Size((count, *self._pieces[0][1].shape[1:]))

    def rows(self, wanted: range) -> Tensor:
        """A copy of these rows, which follow each other."""
        found = [
            tensor[max(wanted.start - start, 0) : max(wanted.stop - start, 0)]
            for start, tensor in self._pieces
            if start < wanted.stop
        ]
        return torch.cat(found) if found else self._pieces[0][1][:0].clone()

    def whole(self) -> Tensor:
        """All of them."""
        return self.rows(range(self.shape[0]))


def snapshot(state: dict[str, Any], first: bool = True) -> Snapshot:
    """Copies of everything in `state`, which may change afterwards: nested dicts and lists.

    What is not sharded all processes have, so the `first` one keeps it.
    """
    found = Snapshot({}, {}, None)
    return found._replace(structure=_split(state, "", found, first))


def restored(structure: Any, parts: Mapping[str, list[tuple[int, Tensor]]], counts: Mapping[str, int]) -> Any:
    """The state again, of all processes' tensors by name, each with its first row; `counts` rows of sharded ones.

    Those are left in `Pieces`. Raises LookupError or ValueError when something is missing.
    """
    kind, content = next(iter(structure.items()))
    if kind == "tensor":
        if content in counts:
            return Pieces(parts[content], counts[content])
        ((_, tensor),) = parts[content]
        return tensor
    if kind == "dict":
        return {key: restored(item, parts, counts) for key, item in content}
    if kind == "list":
        return [restored(item, parts, counts) for item in content]
    return content


def _split(value: Any, path: str, into: Snapshot, first: bool) -> Any:
    """Move tensors out of a nested value, leaving {"tensor": name} in their place."""
    if isinstance(value, Tensor):
        if is_sharded(value):
            rows = own_rows(value)
            if rows:
                into.tensors[path] = _copy(value.to_local())  # type: ignore[attr-defined]
                into.rows[path] = rows.start, len(value)
        elif first:
            into.tensors[path] = _copy(value)
        return {"tensor": path}
    if isinstance(value, dict):
        return {"dict": [[key, _split(item, f"{path}/{key}", into, first)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_split(item, f"{path}/{i}", into, first) for i, item in enumerate(value)]}
    return {"value": value}


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()
