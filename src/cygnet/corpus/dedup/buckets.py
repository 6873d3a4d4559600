"""Sorting more than memory holds: rows go to buckets on disk by the top bits of their key, then bucket after bucket."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import UserError
from cygnet.files import why_not_written

Rows = NDArray[np.uint64]

BUCKETS = 256
MEMORY = 32 << 20  # bytes of rows held before they go to disk; fewer never touch it
_TOP_BYTE = np.uint64(56)


class Buckets:
    """Rows of `columns` 64-bit numbers each, of which the first is the key: a hash, hence evenly spread.

    Rows with equal keys come back in the same array. Used in a `with` block, after which nothing is left on disk.
    Memory: about four times `memory` while rows come in, and four times the largest bucket, a 256th of everything,
    while they are read.
    """

    def __init__(self, scratch: Path, columns: int, memory: int = MEMORY) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(dir=scratch, prefix="buckets-")
        self._columns, self._memory = columns, memory
        self._pending: list[Rows] = []
        self._held = 0
        self._on_disk = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._folder.cleanup()

    def add(self, rows: Rows) -> None:
        """Take rows [N, columns].

        Raises:
            UserError: when the scratch folder is full or can't be written.
        """
        assert rows.dtype == np.uint64
        self._pending.append(np.ascontiguousarray(rows))
        self._held += rows.nbytes
        if self._held >= self._memory:
            self._spill()

    def __iter__(self) -> Iterator[Rows]:
        """Arrays [n, columns] that together hold every row once."""
        if not self._on_disk:
            yield np.concatenate([np.empty((0, self._columns), np.uint64), *self._pending])
            return
        self._spill()
        for bucket in range(BUCKETS):
            path = self._path(bucket)
            if path.exists():
                yield np.fromfile(path, np.uint64).reshape(-1, self._columns)

    def _spill(self) -> None:
        if not self._pending:
            return
        rows = np.concatenate(self._pending)
        bucket = (rows[:, 0] >> _TOP_BYTE).astype(np.uint8)
        rows = rows[np.argsort(bucket, kind="stable")]
        ends = np.cumsum(np.bincount(bucket, minlength=BUCKETS))
        try:
            for number, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
                if end > start:
                    with self._path(number).open("ab") as file:
                        rows[start:end].tofile(file)
        except OSError as error:
            reason = why_not_written(error)
            if reason is None:
                raise
            raise UserError(f"could not write {self._folder.name}: {reason}. Name another scratch folder.") from error
        self._pending, self._held, self._on_disk = [], 0, True

    def _path(self, bucket: int) -> Path:
        return Path(self._folder.name) / f"{bucket:03d}"


def starts_of_groups(*columns: Rows) -> NDArray[np.bool_]:
    """Where, in sorted columns [N], a new group of equal rows begins: [N]."""
    changed = np.ones(len(columns[0]), bool)
    if len(changed):
        changed[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return changed
