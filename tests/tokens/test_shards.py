import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.errors import UserError
from cygnet.files import sha256_of
from cygnet.tokens.shards import ShardWriter, TokenizedDocument, id_dtype, open_split, read_ids

DOCUMENTS = [
    TokenizedDocument("docs", [1, 2, 3], 9),
    TokenizedDocument("code", [4], 2),
    TokenizedDocument("docs", [5, 6], 5),
]


def write(folder: Path, documents: list[TokenizedDocument] = DOCUMENTS, vocab_size: int = 1_000) -> dict[str, object]:
    writer = ShardWriter(folder, ["code", "docs"], vocab_size, "abc" * 20)
    writer.write_split("train", documents)
    return writer.close(note="more")


@given(
    st.lists(st.tuples(st.sampled_from(["code", "docs"]), st.lists(st.integers(0, 99_999), max_size=20)), max_size=20),
    st.sampled_from([100_000, 70_000_000]),
)
def test_documents_come_back_as_they_were_written(documents: list[tuple[str, list[int]]], vocab_size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), [TokenizedDocument(source, ids, 1) for source, ids in documents], vocab_size)
        split = open_split(Path(folder), "train")
        sources = [split.source_names[place] for place in split.sources]
        assert [(source, split.document(i).tolist()) for i, source in enumerate(sources)] == documents
        assert split.tokens.tolist() == [token for _, ids in documents for token in ids]


def test_the_index_counts_and_hashes_what_was_written(tmp_path: Path) -> None:
    index = write(tmp_path)
    assert index["splits"] == {
        "train": {
            "tokens": 6,
            "documents": 3,
            "bytes": 16,
            "by_source": {
                "docs": {"tokens": 5, "documents": 2, "bytes": 14},
                "code": {"tokens": 1, "documents": 1, "bytes": 2},
            },
        }
    }
    assert index["note"] == "more"
    assert index["sha256"]["train.bin"] == sha256_of(tmp_path / "train.bin")
    assert len(index["sha256"]) == 4


def test_ids_take_two_bytes_until_they_no_longer_fit() -> None:
    assert [id_dtype(size).itemsize for size in (280, 2**16, 2**16 + 1)] == [2, 2, 4]


def test_an_id_beyond_the_vocabulary_type_is_never_wrapped(tmp_path: Path) -> None:
    with pytest.raises(OverflowError):
        write(tmp_path, [TokenizedDocument("docs", [70_000], 1)])


def test_documents_are_read_only_views(tmp_path: Path) -> None:
    write(tmp_path)
    split = open_split(tmp_path, "train", "abc" * 20)
    assert isinstance(split.tokens, np.memmap)
    assert np.shares_memory(split.document(2), split.tokens)
    with pytest.raises(ValueError, match="read-only"):
        split.document(2)[0] = 1
    for outside in (-1, 3):
        with pytest.raises(IndexError):
            split.document(outside)


def test_another_tokenizer_is_refused_naming_both(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(UserError, match=r"abcabcabcabc.*ffffffffffff"):
        open_split(tmp_path, "train", "f" * 64)


def test_damaged_or_missing_files_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"index\.json does not exist"):
        open_split(tmp_path, "train")
    write(tmp_path)
    with pytest.raises(UserError, match="no split 'test'; it has train"):
        open_split(tmp_path, "test")
    np.save(tmp_path / "train.offsets.npy", np.array([0, 3, 4, 7]))
    with pytest.raises(UserError, match=r"offsets\.npy doesn't belong"):
        open_split(tmp_path, "train")
    (tmp_path / "train.bin").write_bytes(b"12")
    with pytest.raises(UserError, match=r"train\.bin has 2 bytes where index\.json says 12"):
        open_split(tmp_path, "train")
    np.save(tmp_path / "train.sources.npy", np.array([0], dtype=np.uint8))
    with pytest.raises(UserError, match=r"sources\.npy has 1 entries where index\.json says 3"):
        open_split(tmp_path, "train")
    (tmp_path / "train.offsets.npy").write_bytes(b"junk")
    with pytest.raises(UserError, match=r"offsets\.npy can't be read"):
        open_split(tmp_path, "train")


def test_documents_keep_their_names_and_older_shards_say_that_they_have_none(tmp_path: Path) -> None:
    write(tmp_path, [TokenizedDocument("docs", [1], 1, "b/0"), TokenizedDocument("docs", [2], 1, "a/1")])
    assert read_ids(tmp_path, "train") == ["b/0", "a/1"]
    path = tmp_path / "train.ids.parquet"
    path.write_bytes(b"junk")
    with pytest.raises(UserError, match=r"ids\.parquet is damaged"):
        read_ids(tmp_path, "train")
    path.unlink()
    with pytest.raises(UserError, match="doesn't say which documents it holds"):
        read_ids(tmp_path, "train")
