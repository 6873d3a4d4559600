"""Sequences packed into rows of fixed length without leaking from one into the next.

A sequence of n tokens takes n - 1 places: each place reads one token and predicts the next. Every sequence starts at
position 0 and attends only to itself, so a packed loss equals the unpacked one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

_OPEN_ROWS = 64
_SHORT = 256  # places in which several short sequences still find room


class Rows(NamedTuple):
    """A batch of packed rows, each [B, T].

    tokens and targets: int64 ids read and predicted. weights: float32, 1 where the prediction is trained on.
    positions: int64, from 0 in each sequence. sequences: int64, which sequence of the row; -1 is padding.
    """

    tokens: Tensor
    targets: Tensor
    weights: Tensor
    positions: Tensor
    sequences: Tensor

    @property
    def mask(self) -> Tensor:
        """[B, 1, T, T], True where a place may look: earlier places of its own sequence, and itself."""
        same = self.sequences[:, :, None] == self.sequences[:, None, :]
        earlier = torch.ones(same.shape[-2:], dtype=torch.bool, device=same.device).tril()
        return (same & earlier)[:, None]


def row_length(longest: int, context_length: int) -> int:
    """Places of a row for sequences that take at most `longest`: as few as will do, since attention compares them all.

    It is a multiple of 64, at least 256 so that packing pays, and at most the context.
    """
    return min(context_length, max(_SHORT, -(-longest // 64) * 64))


def pack(lengths: Sequence[int], row_length: int) -> list[list[int]]:
    """Sort sequences into rows: each, in order, into the open row it fills best, opening a new one where none has room.

    At most 64 rows stay open, so rows keep the order of the sequences roughly. Sequences longer than a row's
    `row_length` + 1 tokens must be cut first (`cut`). Every sequence lands in exactly one row.
    """
    rows: list[list[int]] = []
    open_rows: list[tuple[int, int]] = []  # (room left, row number)
    for index, length in enumerate(lengths):
        places = length - 1
        fitting = [entry for entry in open_rows if entry[0] >= places]
        if fitting:
            best = min(fitting)
            open_rows.remove(best)
        else:
            best = (row_length, len(rows))
            rows.append([])
        rows[best[1]].append(index)
        if best[0] - places > 1:
            open_rows.append((best[0] - places, best[1]))
        if len(open_rows) > _OPEN_ROWS:
            open_rows.remove(min(open_rows))
    return rows


def cut(length: int, row_length: int) -> list[tuple[int, int]]:
    """Pieces (start, end) of a sequence of `length` tokens that each fit a row; neighbors share one token, so that
    every token but the first is predicted exactly once."""
    return [(start, min(start + row_length + 1, length)) for start in range(0, max(1, length - 1), row_length)]


def collate(
    sequences: Sequence[Sequence[np.ndarray | list[int]]],
    weights: Sequence[Sequence[np.ndarray | list[float]]] | None,
    row_length: int,
    pad_id: int,
) -> Rows:
    """Lay sequences out in rows of `row_length` places; `weights` per token say which are trained on (default: all).

    The weight of a place is that of the token it predicts.
    """
    shape = (len(sequences), row_length)
    tokens, targets = np.full(shape, pad_id, dtype=np.int64), np.full(shape, pad_id, dtype=np.int64)
    trained = np.zeros(shape, dtype=np.float32)
    positions, owners = np.zeros(shape, dtype=np.int64), np.full(shape, -1, dtype=np.int64)
    for row, members in enumerate(sequences):
        place = 0
        for number, sequence in enumerate(members):
            end = place + len(sequence) - 1
            tokens[row, place:end], targets[row, place:end] = sequence[:-1], sequence[1:]
            trained[row, place:end] = 1.0 if weights is None else weights[row][number][1:]
            positions[row, place:end] = np.arange(end - place)
            owners[row, place:end] = number
            place = end
    return Rows(*(torch.from_numpy(array) for array in (tokens, targets, trained, positions, owners)))
