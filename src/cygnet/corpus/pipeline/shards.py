"""The files between the stages: parquet shards with stated schemas, written and read some megabytes at a time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cygnet.corpus.dedup.signatures import HASHES
from cygnet.corpus.quality import METRICS
from cygnet.errors import UserError

Row = dict[str, Any]

ROWS, CHARACTERS = 1_000, 1 << 20  # of a row group at most (and one text): what is held in memory at a time

_UNALIKE = ("text", "url", "hash", "signature", "id")  # columns in which hardly a value comes again

TEXTS = pa.schema(
    [
        ("source", pa.string()),
        ("url", pa.string()),
        ("text", pa.string()),
        ("metadata", pa.map_(pa.string(), pa.string())),
    ]
)
TAGGED = pa.schema(
    [
        *TEXTS,
        ("repeated_lines", pa.int32()),  # taken out because they stand on many pages of the host
        ("language", pa.string()),
        ("language_score", pa.float32()),
        ("quality", pa.float32()),  # of the learned filter; null without one
        ("metrics", pa.struct([(name, pa.float32()) for name in METRICS])),
        ("hash", pa.binary(16)),
        ("signature", pa.binary(4 * HASHES)),
    ]
)
VERDICTS = pa.schema([("rule", pa.string()), ("detail", pa.string())])  # null: kept
DUPLICATES = pa.schema([("shard", pa.int32()), ("row", pa.int64()), ("rule", pa.string()), ("of", pa.string())])
DOCUMENTS = pa.schema(
    [
        ("id", pa.string()),
        *(TAGGED.field(name) for name in TAGGED.names if name not in ("repeated_lines", "hash", "signature")),
        ("dropped", pa.string()),  # the rule's name; null: kept
        ("detail", pa.string()),
        ("edits", pa.map_(pa.string(), pa.int32())),  # what was taken out of the text, and how often
    ]
)


def write_rows(path: Path, schema: pa.Schema, rows: Iterable[Row], metadata: Mapping[str, str] | None = None) -> int:
    """Write rows as zstd parquet; their number."""
    count, size, batch = 0, 0, list[Row]()
    described = schema.with_metadata(dict(metadata) if metadata else None)
    # a dictionary of texts would hold nearly every one of them, and then be given up
    alike = [name for name in schema.names if name not in _UNALIKE]
    with pq.ParquetWriter(path, described, compression="zstd", use_dictionary=alike) as file:

        def flush() -> None:
            file.write_table(pa.Table.from_pylist(batch, schema=schema), row_group_size=ROWS)
            batch.clear()

        for row in rows:
            batch.append(row)
            count, size = count + 1, size + len(row.get("text", ""))
            if len(batch) == ROWS or size >= CHARACTERS:
                flush()
                size = 0
        if batch:
            flush()
    return count


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """A shard to read from. Raises UserError when it is missing or turns out to be damaged."""
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist. Build the corpus first.") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is damaged: {error}. Remove it and build the corpus again.") from error


def _rows(file: pq.ParquetFile, group: int, columns: Sequence[str] | None = None) -> list[Row]:
    table = file.read_row_group(group, columns=list(columns) if columns else None, use_threads=False)
    found: list[Row] = table.to_pylist(maps_as_pydicts="strict")
    return found


def read_batches(path: Path, columns: Sequence[str] | None = None) -> Iterator[list[Row]]:
    """The rows of a shard, some of their columns, in lists as they were written: a row group each.

    Raises:
        UserError: when the file is missing or damaged, or has not these columns.
    """
    with _opened(path) as file:
        if absent := set(columns or ()) - set(file.schema_arrow.names):
            raise UserError(f"{path} is no shard of a corpus: it has no {', '.join(sorted(absent))}.")
        for group in range(file.num_row_groups):
            yield _rows(file, group, columns)


def read_rows(path: Path, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """The rows of a shard, one after the other."""
    for batch in read_batches(path, columns):
        yield from batch


def read_row(path: Path, number: int) -> Row | None:
    """One row of a shard, counted from 0, of which only the row group is read; None behind the end."""
    with _opened(path) as file:
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if number < rows:
                return _rows(file, group)[number]
            number -= rows
    return None


def read_where(path: Path, column: str, value: int) -> Iterator[Row]:
    """The rows whose number in `column` is `value`; of a file in that order, hardly another row group is read."""
    with _opened(path) as file:
        place = file.schema_arrow.get_field_index(column)
        for group in range(file.num_row_groups):
            known = file.metadata.row_group(group).column(place).statistics
            if known is None or known.min <= value <= known.max:
                yield from (row for row in _rows(file, group) if row[column] == value)


def read_metadata(path: Path) -> dict[str, str]:
    """What was written with a shard's schema."""
    found = pq.read_schema(path).metadata or {}
    return {key.decode(): value.decode() for key, value in found.items() if key != b"ARROW:schema"}


def document_id(shard: Path, row: int) -> str:
    """A document's name: source, shard and row."""
    return f"{shard.parent.name}/{shard.stem}/{row}"
