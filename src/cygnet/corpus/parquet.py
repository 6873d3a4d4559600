"""Documents in parquet files, with a schema that is stated and never guessed from the data."""

from collections.abc import Iterable
from pathlib import Path

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


def write_documents(path: Path, documents: Iterable[Document]) -> None:
    """Write documents as zstd parquet, a thousand a row group."""
    columns: dict[str, list[object]] = {name: [] for name in SCHEMA.names}
    for document in documents:
        for name, values in columns.items():
            values.append(list(document.keys) if name == "keys" else getattr(document, name))
    pq.write_table(pa.table(columns, schema=SCHEMA), path, compression="zstd", row_group_size=_ROW_GROUP)


def read_documents(path: Path) -> list[Document]:
    """Read what `write_documents` wrote.

    Raises:
        UserError: when the file is missing, is not parquet or has other columns.
    """
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist. Build the corpus first.") from error
    except pa.ArrowInvalid as error:
        raise UserError(f"{path} is not a parquet file: {error}") from error
    with file:
        if not file.schema_arrow.equals(SCHEMA):
            columns = ", ".join(file.schema_arrow.names)
            raise UserError(f"{path} is no corpus file: it has {columns} where {', '.join(SCHEMA.names)} belong.")
        rows = file.read().to_pylist()
    return [Document(**row | {"keys": tuple(row["keys"])}) for row in rows]
