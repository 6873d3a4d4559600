"""Near duplicates through Daft are those that are found on disk, to the text."""

import sys
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cygnet.corpus.dedup import daft as module
from cygnet.corpus.dedup import stored as parts
from cygnet.corpus.dedup.daft import near_firsts_by_daft
from cygnet.corpus.dedup.near import near_firsts
from cygnet.corpus.dedup.signatures import BANDS, HASHES, ROWS, Signatures, kind
from cygnet.corpus.dedup.stored import Marks, Stored
from cygnet.errors import UserError

needs_daft = pytest.mark.skipif(find_spec("daft") is None, reason="needs daft: pip install 'cygnet[daft]'")


def planted(texts: int, seed: int) -> Signatures:
    """Signatures of which many share a band or some with others: copies, chains over several texts, and one crowd."""
    rng = np.random.default_rng(seed)
    found = rng.integers(0, 2**32 - 1, (texts, BANDS, ROWS), np.uint32)
    order = rng.permutation(texts)
    found[order[: texts // 10]] = found[order[texts // 10 : 2 * (texts // 10)]]
    for left, right in zip(order[texts // 4 : texts // 2 : 2], order[texts // 4 + 1 : texts // 2 : 2], strict=False):
        band = rng.integers(BANDS)
        found[right, band] = found[left, band]
    chain = order[texts // 2 : texts // 2 + 40]
    for place, (left, right) in enumerate(pairwise(chain)):
        found[right, place % BANDS] = found[left, place % BANDS]
    found[order[-30:], 3] = found[order[-1], 3]
    return found.reshape(texts, HASHES)


def write(folder: Path, found: Signatures, shards: int) -> list[Path]:
    schema = pa.schema([("signature", pa.binary(4 * HASHES))], metadata=kind())
    paths = []
    for number, rows in enumerate(np.array_split(found, shards)):
        values = pa.array([row.astype("<u4").tobytes() for row in rows], pa.binary(4 * HASHES))
        paths.append(folder / f"{number}.parquet")
        pq.write_table(pa.table([values], schema=schema), paths[-1], row_group_size=50)
    return paths


@needs_daft
@pytest.mark.parametrize("seed", [1, 2])
def test_the_answer_is_that_of_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(parts, "PART", 70)
    monkeypatch.setattr(module, "TEXTS", 150)
    found = planted(1_000, seed)
    counted: Marks = np.random.default_rng(seed).random(1_000) < 0.9
    stored = Stored(write(tmp_path, found, shards=4), counted)
    on_disk = near_firsts(stored, tmp_path)
    assert np.bincount(on_disk).max() >= 25
    assert 200 < (on_disk != np.arange(1_000)).sum() < 500
    assert (near_firsts_by_daft(stored) == on_disk).all()


@needs_daft
def test_texts_without_a_pair_and_no_texts_at_all(tmp_path: Path) -> None:
    alone = np.random.default_rng(1).integers(0, 2**32 - 1, (20, HASHES), np.uint32)
    paths = write(tmp_path, alone, shards=2)
    assert near_firsts_by_daft(Stored(paths, np.ones(20, bool))).tolist() == list(range(20))
    assert near_firsts_by_daft(Stored(paths, np.zeros(20, bool))).tolist() == list(range(20))
    assert len(near_firsts_by_daft(Stored([], np.empty(0, bool)))) == 0


@needs_daft
def test_what_goes_wrong_in_its_process_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = write(tmp_path, planted(100, 1), shards=1)
    stored = Stored([path], np.ones(100, bool))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match=r"Daft failed: (.|\n)*0.parquet is damaged"):
        near_firsts_by_daft(stored)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr("multiprocessing.spawn._python_exe", b"/bin/false")
    with pytest.raises(UserError, match=r"was ended \(exit 1\).*If memory ran out, take dedup.shuffle"):
        near_firsts_by_daft(stored)


def test_without_the_package_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs its package: pip install 'cygnet\[daft\]'"):
        near_firsts_by_daft(Stored([], np.empty(0, bool)))
