"""Kept documents as the files that a recipe trains on: train, validation and test."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cygnet.corpus.holdout import SPLITS, Split, split_of, split_of_text
from cygnet.corpus.parquet import SCHEMA
from cygnet.corpus.pipeline.shards import Row, read_rows, write_rows
from cygnet.corpus.pipeline.stages import host_of
from cygnet.files import write_aside

_NEEDED = ["id", "source", "url", "text", "metadata", "dropped"]


def write_splits(documents: Sequence[Path], out: Path, heldout: float) -> dict[Split, dict[str, dict[str, int]]]:
    """Write {split}.parquet; for each split and source the documents and bytes of text.

    Texts that say in their metadata, under `unit`, what they belong to fall into validation or test with all of it, by
    a hash of its name; pages of the web by one of their address, for what was fetched twice may have changed; others by
    one of what they say. It is the same in every run.
    """
    counts: dict[Split, dict[str, dict[str, int]]] = {split: {} for split in SPLITS}

    def rows(split: Split) -> Iterator[Row]:
        for row in _kept(documents):
            if _split(row, heldout) == split:
                count = counts[split].setdefault(row["source"], {"documents": 0, "bytes": 0})
                count["documents"] += 1
                count["bytes"] += len(row["text"].encode("utf-8", "surrogatepass"))
                known = {name: row[name] for name in ("id", "source", "text")}
                yield known | {"origin": _origin(row), "keys": []}

    with ExitStack() as stack:  # all are written before any is renamed
        for split in SPLITS:
            write_rows(stack.enter_context(write_aside(out / f"{split}.parquet")), SCHEMA, rows(split))
    return counts


def _origin(row: Row) -> str:
    """What it is held out with. What is no address may be said of many texts, which are held out each by itself."""
    if unit := row["metadata"].get("unit"):
        return str(unit)
    return row["url"] if host_of(row["url"]) or not row["url"] else f"{row['url']}#{row['id']}"


def _split(row: Row, heldout: float) -> Split:
    if unit := row["metadata"].get("unit"):
        return split_of(unit, heldout)
    return split_of_text(row["url"] if host_of(row["url"]) else row["text"], heldout)


def _kept(documents: Sequence[Path]) -> Iterator[dict[str, Any]]:
    for path in documents:
        yield from (row for row in read_rows(path, _NEEDED) if row["dropped"] is None)
