"""Signatures in shards: read in parts that end at row groups, or those of some texts; others than these are refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cygnet.corpus.dedup import stored as module
from cygnet.corpus.dedup.signatures import HASHES, NOTHING, Signatures, kind
from cygnet.corpus.dedup.stored import Stored, columns
from cygnet.errors import UserError

Write = Callable[..., list[Path]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Signatures in shards of these lengths, four to a row group."""

    def shards(found: Signatures, lengths: list[int]) -> list[Path]:
        paths = [tmp_path / f"{number}.parquet" for number in range(len(lengths))]
        schema = pa.schema([("signature", pa.binary(4 * HASHES))], metadata=kind())
        for path, rows in zip(paths, np.split(found, np.cumsum(lengths)[:-1]), strict=True):
            values = pa.array([row.astype("<u4").tobytes() for row in rows], pa.binary(4 * HASHES))
            pq.write_table(pa.table([values], schema=schema), path, row_group_size=4)
        return paths

    return shards


def test_parts_hold_every_text_once_and_those_not_counted_are_like_no_other(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART", 6)
    rng = np.random.default_rng(1)
    found = rng.integers(0, 2**32 - 1, (50, HASHES), np.uint32)
    counted = rng.random(50) < 0.7
    stored = Stored(write(found, [17, 0, 32, 1]), counted)
    parts = list(stored)
    assert [part.first for part in stored.parts] == [0, 8, 16, 17, 25, 33, 41, 49]
    assert max(map(len, parts)) == 8
    whole = np.concatenate(parts)
    assert (whole[counted] == found[counted]).all()
    assert (whole[~counted] == NOTHING).all()
    some = [49, 16, 17, 3]
    rows = stored.rows(some)
    assert sorted(rows) == sorted(some)
    assert all((rows[place] == whole[place]).all() for place in some)


def test_a_corpus_without_texts_has_no_parts(write: Write) -> None:
    empty = np.empty((0, HASHES), np.uint32)
    assert list(Stored(write(empty, [0]), np.empty(0, bool))) == []


def test_what_cannot_be_read_is_told(write: Write, tmp_path: Path) -> None:
    (path,) = write(np.ones((9, HASHES), np.uint32), [9])
    stored = Stored([path], np.ones(9, bool))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match=r"0.parquet is damaged: .*Remove it"):
        list(stored)
    path.unlink()
    with pytest.raises(UserError, match=r"0.parquet does not exist. Build the corpus again."):
        list(columns(path, "signature"))
    pq.write_table(pa.table({"signature": ["other"]}), path)
    with pytest.raises(UserError, match="signatures of another kind: library None"):
        Stored([path], np.ones(1, bool))
