"""Kept documents as the files that a recipe trains on: train, validation and test."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cygnet.corpus.holdout import SPLITS, Split
from cygnet.corpus.parquet import SCHEMA
from cygnet.corpus.pipeline.shards import Row, read_rows, write_rows
from cygnet.files import write_aside

_NEEDED = ["id", "source", "url", "text", "dropped"]


def write_splits(documents: Sequence[Path], out: Path, heldout: float) -> dict[Split, dict[str, dict[str, int]]]:
    """Write {split}.parquet; for each split and source the documents and bytes of text.

    A text falls into validation or test by a hash of what it says, so it is the same in every run.
    """
    counts: dict[Split, dict[str, dict[str, int]]] = {split: {} for split in SPLITS}

    def rows(split: Split) -> Iterator[Row]:
        for row in _kept(documents):
            if split_of_text(row["text"], heldout) == split:
                count = counts[split].setdefault(row["source"], {"documents": 0, "bytes": 0})
                count["documents"] += 1
                count["bytes"] += len(row["text"].encode("utf-8", "surrogatepass"))
                yield {**{name: row[name] for name in ("id", "source", "text")}, "origin": row["url"], "keys": []}

    with ExitStack() as stack:  # all are written before any is renamed
        for split in SPLITS:
            write_rows(stack.enter_context(write_aside(out / f"{split}.parquet")), SCHEMA, rows(split))
    return counts


def _kept(documents: Sequence[Path]) -> Iterator[dict[str, Any]]:
    for path in documents:
        yield from (row for row in read_rows(path, _NEEDED) if row["dropped"] is None)


def split_of_text(text: str, heldout: float) -> Split:
    """validation and test get `heldout` of the texts each, by a hash: the same wherever the files lie."""
    digest = hashlib.sha256(b"text:" + text.encode("utf-8", "surrogatepass")).digest()
    position = int.from_bytes(digest[:8]) / 2**64
    if position < heldout:
        return "validation"
    return "test" if position < 2 * heldout else "train"
