"""The stage that looks at all shards at once: of the texts that no rule drops, those that are there already.

Held in memory is some of each text's bytes, at most 40, and of the shards a part at a time: see `dedup.stored`.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cygnet.corpus.dedup.daft import near_firsts_by_daft
from cygnet.corpus.dedup.exact import Firsts, exact_firsts
from cygnet.corpus.dedup.near import near_firsts, report
from cygnet.corpus.dedup.stored import Marks, Stored, columns, numbers
from cygnet.corpus.pipeline.shards import DUPLICATES, Row, document_id, write_rows
from cygnet.corpus.pipeline.task import Task


def duplicates(task: Task, out: Path, cluster: str | None = None) -> dict[str, Any]:
    """The first of equal or nearly equal texts stays, in the order of the shards.

    cluster: address of the Ray cluster on which near-duplicates are shuffled, if the task says "daft".
    """
    tagged, verdicts = (list(map(Path, paths)) for paths in (task.told["tagged"], task.told["verdicts"]))
    staying = [_staying(path) for path in verdicts]
    ends = np.cumsum([0, *map(len, staying)])
    counted: Marks = np.concatenate([np.empty(0, bool), *staying])
    first_of = np.arange(len(counted))
    if task.told["exact"]:
        _mark_exact(first_of, counted, tagged, out.parent)
    equal = first_of != np.arange(len(counted))
    said: dict[str, Any] = {"exact": int(equal.sum())}

    def name(place: int) -> str:
        shard = _shard(place, ends)
        return document_id(tagged[shard], place - int(ends[shard]))

    if task.told["near"]:
        stored = Stored(tagged, counted & ~equal)
        by_daft = task.told["shuffle"] == "daft"
        found = near_firsts_by_daft(stored, cluster) if by_daft else near_firsts(stored, out.parent)
        said["near"] = report(found, stored.rows, name) if len(found) else {}
        np.copyto(first_of, found, where=~equal)

    def rows() -> Iterator[Row]:
        for place in np.flatnonzero(first_of != np.arange(len(first_of))).tolist():
            shard = _shard(place, ends)
            rule = "exact_duplicate" if equal[place] else "near_duplicate"
            yield {"shard": shard, "row": place - int(ends[shard]), "rule": rule, "of": name(int(first_of[place]))}

    write_rows(out, DUPLICATES, rows())
    return said


def _staying(verdicts: Path) -> Marks:
    """Of every text of a shard, whether no rule drops it."""
    return np.concatenate(
        [np.empty(0, bool), *(column.is_null().to_numpy(False) for column in columns(verdicts, "rule"))]
    )


def _mark_exact(first_of: Firsts, counted: Marks, tagged: Sequence[Path], scratch: Path) -> None:
    places = np.flatnonzero(counted)
    firsts = exact_firsts(_hashes(tagged, counted), scratch)
    first_of[places] = places[firsts]


def _hashes(tagged: Iterable[Path], counted: Marks) -> Iterator[Any]:
    start = 0
    for path in tagged:
        for column in columns(path, "hash"):
            yield numbers(column, ">u8").reshape(-1, 2)[counted[start : start + len(column)]]
            start += len(column)


def _shard(place: int, ends: Any) -> int:
    return int(np.searchsorted(ends, place, side="right")) - 1
