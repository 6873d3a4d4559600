"""The texts of an evaluation set, from a file or from memory, for decontamination."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cygnet.errors import UserError
from cygnet.files import numbered_jsonl


def evaluation_texts(name: str, source: Path | Iterable[str]) -> Iterator[str]:
    """Every text of a set: of .jsonl and .parquet each string in each row, however deep; of .txt each line.

    A question's choices and answers are texts of their own; ids and labels are strings too, and too short to matter.

    Raises:
        UserError: when the file is missing, can't be read or is of another type; naming the set.
    """
    if isinstance(source, str):
        raise UserError(f"Evaluation set {name}: expected a path or a list of texts, found one text.")
    if not isinstance(source, Path):
        return iter(source)
    if source.suffix == ".jsonl":
        return (text for _, row in numbered_jsonl(source) for text in _strings(row))
    if source.suffix == ".parquet":
        return _from_parquet(source)
    if source.suffix == ".txt":
        return iter(_lines(source))
    raise UserError(f"Evaluation set {name}: {source} is no .jsonl, .parquet or .txt file.")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def _from_parquet(path: Path) -> Iterator[str]:
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1_000):
                yield from _strings(batch.to_pylist())
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist.") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path} is not a parquet file: {error}") from error


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist.") from error
    except (UnicodeDecodeError, OSError) as error:
        raise UserError(f"{path} is not UTF-8 text: {error}") from error
