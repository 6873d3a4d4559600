"""Exact duplicates: the first is kept, whatever the shards and however little memory there is."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.corpus.dedup.buckets import Buckets
from cygnet.corpus.dedup.exact import exact_firsts, normalise, places, text_hashes
from cygnet.errors import UserError


def test_white_space_and_composition_do_not_count_but_case_and_punctuation_do() -> None:
    assert normalise(" a\u00a0 b\r\n\tc ") == "a b c"
    assert normalise("e\u0301") == "\u00e9"
    hashes = text_hashes(["a b", "a\n b ", "A b", "a b.", "ab"])
    assert len({tuple(row) for row in hashes.tolist()}) == 4


def test_hash_is_xxh3_128_of_the_normalised_text() -> None:
    import xxhash

    upper, lower = text_hashes([" x\ny"]).tolist()[0]
    assert upper << 64 | lower == xxhash.xxh3_128_intdigest(b"x y")


def test_each_duplicate_says_of_which_it_is_a_copy(tmp_path: Path) -> None:
    shards = [["a", "b", "a"], [], ["c", "b "], ["a"]]
    firsts = exact_firsts(map(text_hashes, shards), tmp_path)
    assert firsts.tolist() == [0, 1, 0, 3, 1, 0]
    found = [shard.tolist() for shard in places(firsts, [len(shard) for shard in shards])]
    assert found == [[[0, 0], [0, 1], [0, 0]], [], [[2, 0], [0, 1]], [[0, 0]]]


@given(st.lists(st.lists(st.sampled_from("abcdefg"), max_size=8), max_size=6), st.sampled_from([1, 100, 1 << 20]))
def test_neither_the_split_nor_the_memory_changes_the_answer(shards: list[list[str]], memory: int) -> None:
    texts = [text for shard in shards for text in shard]
    with TemporaryDirectory() as scratch:
        firsts = exact_firsts(map(text_hashes, shards), Path(scratch), memory)
        assert not list(Path(scratch).iterdir())
    assert firsts.tolist() == [texts.index(text) for text in texts]


def test_hashes_that_share_only_a_half_are_different(tmp_path: Path) -> None:
    hashes = np.array([[1, 1], [1, 2], [2, 1], [1, 2]], np.uint64)
    assert exact_firsts([hashes], tmp_path).tolist() == [0, 1, 2, 1]


def test_an_empty_corpus_has_no_duplicates(tmp_path: Path) -> None:
    assert exact_firsts([], tmp_path).tolist() == []
    assert list(places(np.array([], np.int64), [])) == []


def test_rows_that_went_to_disk_all_come_back_with_equal_keys_together(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).integers(0, 2**64, (5_000, 2), np.uint64)
    rows[1_000:2_000, 0] = rows[:1_000, 0]
    with Buckets(tmp_path, columns=2, memory=10_000) as buckets:
        for start in range(0, len(rows), 100):
            buckets.add(rows[start : start + 100])
        parts = list(buckets)
    assert len(parts) == 256
    assert sorted(np.concatenate(parts).tolist()) == sorted(rows.tolist())
    keys = [set(part[:, 0].tolist()) for part in parts]
    assert sum(map(len, keys)) == len(set().union(*keys)) == 4_000


def test_a_full_scratch_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with Buckets(tmp_path, columns=2, memory=1) as buckets:
        monkeypatch.setattr(Path, "open", full)
        with pytest.raises(UserError, match="No space left on device"):
            buckets.add(np.ones((4, 2), np.uint64))
