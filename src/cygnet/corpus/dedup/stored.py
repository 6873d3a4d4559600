"""The columns of parquet shards that duplicates are found by, read some thousand texts at a time.

What is held is one part, however large a shard or the corpus is. A part says where it is, so that it can be read by
another process, or on another machine that sees the same files.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cygnet.corpus.dedup.signatures import HASHES, NOTHING, Signatures, check_kind
from cygnet.errors import UserError

Marks = NDArray[np.bool_]

PART = 10_000  # texts, and up to a row group more: 5 MB of signatures, 2 MB of bands


class Part(NamedTuple):
    """A stretch of a shard: row groups `begin` to `end` of the file `path`, whose first text is the corpus's `first`.

    `counted` has a bit for each text, packed: whether it is looked at.
    """

    path: str
    begin: int
    end: int
    first: int
    counted: bytes


class Stored:
    """The signatures of a corpus, in shards that have them as a column: part by part, or those of some texts."""

    def __init__(self, shards: Sequence[Path], counted: Marks) -> None:
        """counted: of every text [N], counted through all shards, whether it is looked at; others are like none.

        Raises:
            UserError: when a shard is missing or damaged, or has signatures of another kind.
        """
        self.texts = len(counted)
        self.parts = list(_parts(shards, counted))

    def __iter__(self) -> Iterator[Signatures]:
        """Arrays [n, 112], in the order of the corpus."""
        return map(read_part, self.parts)

    def rows(self, places: Sequence[int]) -> dict[int, Signatures]:
        """The signatures [112] of some texts. Only the parts that have them are read."""
        found: dict[int, Signatures] = {}
        wanted = np.array(sorted(places), np.int64)
        ends = [*(part.first for part in self.parts[1:]), self.texts]
        for part, end in zip(self.parts, ends, strict=True):
            inside = wanted[(wanted >= part.first) & (wanted < end)]
            if len(inside):
                found.update(zip(inside.tolist(), read_part(part)[inside - part.first], strict=True))
        return found


def _parts(shards: Sequence[Path], counted: Marks) -> Iterator[Part]:
    place = 0
    for path in shards:
        with opened(path) as file:
            described = file.schema_arrow.metadata or {}
            check_kind({key.decode(): value.decode(errors="replace") for key, value in described.items()}, str(path))
            sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        begin = texts = 0
        for group, size in enumerate(sizes):
            texts += size
            if texts >= PART or (texts and group == len(sizes) - 1):
                yield Part(str(path), begin, group + 1, place, np.packbits(counted[place : place + texts]).tobytes())
                place, begin, texts = place + texts, group + 1, 0


def read_part(part: Part) -> Signatures:
    """The signatures of a part [n, 112]; those of texts that are not looked at are like no other.

    Raises:
        UserError: when the shard is missing or damaged.
    """
    found = np.concatenate(
        [numbers(column, "<u4") for column in columns(Path(part.path), "signature", part.begin, part.end)]
    ).reshape(-1, HASHES)
    counted = np.unpackbits(np.frombuffer(part.counted, np.uint8), count=len(found)).astype(bool)
    found[~counted] = NOTHING
    return found


def columns(path: Path, name: str, begin: int = 0, end: int | None = None) -> Iterator[pa.Array]:
    """One column of a shard, row group by row group, from the row group `begin` to before `end`.

    Raises:
        UserError: when the shard is missing or damaged.
    """
    with opened(path) as file:
        for group in range(begin, file.num_row_groups if end is None else end):
            try:
                yield file.read_row_group(group, columns=[name], use_threads=False).column(0).combine_chunks()
            except (pa.ArrowException, OSError) as error:
                raise UserError(_damaged(path, error)) from error


def numbers(column: pa.Array, kind: str) -> NDArray[Any]:
    """Values of a fixed number of bytes as numbers of this kind, such as "<u4", one after the other."""
    width = column.type.byte_width
    found = np.frombuffer(column.buffers()[1], np.uint8)[column.offset * width : (column.offset + len(column)) * width]
    numbers_in_file: NDArray[Any] = found.view(kind)
    return numbers_in_file.astype(numbers_in_file.dtype.newbyteorder("="))


def opened(path: Path) -> pq.ParquetFile:
    """A shard, open.

    Raises:
        UserError: when it is missing or damaged.
    """
    try:
        return pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist. Build the corpus again.") from error
    except pa.ArrowException as error:
        raise UserError(_damaged(path, error)) from error


def _damaged(path: Path, error: Exception) -> str:
    return f"{path} is damaged: {error}. Remove it and build the corpus again."
