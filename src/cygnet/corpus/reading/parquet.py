"""Parquet files, as records."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cygnet.corpus.reading.config import ParquetSource
from cygnet.corpus.reading.rows import place_of, record_of_row
from cygnet.corpus.records import Record, Skipped
from cygnet.errors import UserError

SUFFIXES = (".parquet",)
_BATCH = 256  # rows in memory at a time
_BUFFER = 1 << 20  # bytes of a column read at a time: a row group may hold gigabytes


def read_table(source: str, path: Path, config: ParquetSource) -> Iterator[Record | Skipped]:
    """One `Record` or `Skipped` a row. A file that is no parquet, or cut off, is one `Skipped`.

    Raises:
        UserError: when the file can't be opened or lacks a column.
    """
    try:
        file = pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
    except pa.ArrowInvalid as error:
        yield Skipped(source, path.as_posix(), "damaged_file", str(error)[:300])
        return
    except OSError as error:
        raise UserError(f"could not read {path}: {error}") from error
    with file:
        columns = _columns(path, file.schema_arrow, config)
        first = 1
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            yield from _read_group(source, path, file, group, range(first, first + rows), columns, config)
            first += rows


def _columns(path: Path, schema: pa.Schema, config: ParquetSource) -> list[str]:
    """The columns to read, once it is sure that they are there."""
    wanted: dict[str, None] = {}
    for name, column in config.columns.items():
        top = column if column in schema.names else column.partition(".")[0]
        if top not in schema.names:
            there = ", ".join(schema.names)
            raise UserError(
                f"{path} has no column {column!r}. Its columns are: {there}. Set columns.{name} in corpus.toml."
            )
        wanted[top] = None
    return list(wanted)


def _read_group(
    source: str, path: Path, file: pq.ParquetFile, group: int, numbers: range, columns: list[str], config: ParquetSource
) -> Iterator[Record | Skipped]:
    """The rows of a row group, whose numbers are `numbers`; those after damage are told one by one."""
    done = 0
    try:
        for batch in file.iter_batches(_BATCH, row_groups=[group], columns=columns, use_threads=False):
            for row in batch.to_pylist():
                place = place_of(path, numbers[done])
                yield record_of_row(source, place, row, config.columns, config.most_bytes)
                done += 1
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        for number in numbers[done:]:
            yield Skipped(source, place_of(path, number), "damaged_row_group", f"row group {group}: {error}"[:300])
