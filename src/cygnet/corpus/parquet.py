"""Documents in parquet files, with a schema that is stated and never guessed from the data."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cygnet.corpus.document import Document
from cygnet.errors import UserError

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("text", pa.string()),
        ("origin", pa.string()),
        ("keys", pa.list_(pa.string())),
    ]
)
_ROW_GROUP = 1_000
_BATCH, _BUFFER = 64, 1 << 20  # documents, and bytes of a column, that are read at a time


def write_documents(path: Path, documents: Iterable[Document]) -> None:
    """Write documents as zstd parquet, a thousand a row group; no more of them are held in memory."""
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as file:
        rest = iter(documents)
        while batch := list(islice(rest, _ROW_GROUP)):
            columns = {
                name: [list(document.keys) if name == "keys" else getattr(document, name) for document in batch]
                for name in SCHEMA.names
            }
            file.write_table(pa.table(columns, schema=SCHEMA), row_group_size=_ROW_GROUP)


def read_documents(path: Path) -> Iterator[Document]:
    """What `write_documents` wrote, with few documents in memory at a time.

    Raises:
        UserError: when the file is missing, is not parquet, has other columns or is damaged.
    """
    with _opened(path) as file:
        for batch in file.iter_batches(_BATCH, use_threads=False):
            yield from map(_document, batch.to_pylist())


def find_document(path: Path, name: str) -> Document | None:
    """The document with the id `name`, if there is one: of others, little more than their ids is read.

    Raises:
        UserError: as `read_documents` does.
    """
    with _opened(path) as file:
        for group in range(file.num_row_groups):
            ids = file.read_row_group(group, columns=["id"], use_threads=False)["id"].to_pylist()
            if name in ids:
                rows = file.read_row_group(group, use_threads=False).slice(ids.index(name), 1)
                return _document(rows.to_pylist()[0])
    return None


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        file = pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist. Build the corpus first.") from error
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path} is not a parquet file: {error}") from error
    with file:
        if not file.schema_arrow.equals(SCHEMA):
            columns = ", ".join(file.schema_arrow.names)
            raise UserError(f"{path} is no corpus file: it has {columns} where {', '.join(SCHEMA.names)} belong.")
        try:
            yield file
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise UserError(f"{path} is damaged: {error}. Build the corpus again.") from error


def _document(row: dict[str, Any]) -> Document:
    return Document(**row | {"keys": tuple(row["keys"])})
