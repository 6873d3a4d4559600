import json
from pathlib import Path

import numpy as np
import pytest

from cygnet.corpus import tokenize
from cygnet.corpus.document import Document
from cygnet.corpus.holdout import SPLITS
from cygnet.corpus.mixture import interleave, plan
from cygnet.corpus.mixtures import shares_of
from cygnet.corpus.parquet import read_documents, write_documents
from cygnet.corpus.tokenize import build_tokens
from cygnet.errors import UserError
from cygnet.files import sha256_of, write_json
from cygnet.tokens.shards import open_split, read_ids
from cygnet.tokens.tokenizer import Tokenizer, train_tokenizer

PROPORTIONS = {"docs": 0.75, "code": 0.25}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for split, count in (("train", 40), ("validation", 6), ("test", 5)):
        documents = [
            Document(f"{source} {number}", source, f"{source} of {split}: " + "é" * number, f"m{number}")
            for source in ("docs", "code")
            for number in range(count)
        ]
        write_documents(corpus / f"{split}.parquet", documents)
    train_tokenizer(["docs of train:", "code of test:"], 280).save(tmp_path / "tokenizer")
    return corpus, tmp_path / "tokenizer"


def test_documents_are_marked_and_decode_to_their_text(folders: tuple[Path, Path], tmp_path: Path) -> None:
    index = build_tokens(*folders, PROPORTIONS, 3_000, tmp_path / "tokens", seed=1)
    tokenizer = Tokenizer.load(folders[1])
    validation = open_split(tmp_path / "tokens", "validation", tokenizer.hash)
    texts = set()
    for number in range(len(validation)):
        ids = validation.document(number)
        assert (ids[0], ids[-1]) == (tokenizer.bos_id, tokenizer.end_id)
        texts.add(tokenizer.decode(ids[1:-1].tolist()))
    assert texts == {f"{source} of validation: " + "é" * number for source in PROPORTIONS for number in range(6)}
    assert index["splits"]["validation"]["bytes"] == sum(len(text.encode()) for text in texts)


def test_training_meets_its_budget_in_the_stated_proportions(folders: tuple[Path, Path], tmp_path: Path) -> None:
    index = build_tokens(*folders, PROPORTIONS, 3_000, tmp_path / "tokens", seed=1)
    assert json.loads((tmp_path / "tokens" / "index.json").read_text()) == index
    longest = 120
    assert 2_250 <= index["tokens_by_source"]["docs"] < 2_250 + longest
    assert 750 <= index["tokens_by_source"]["code"] < 750 + longest
    train = open_split(tmp_path / "tokens", "train")
    assert len(train.tokens) == sum(index["tokens_by_source"].values()) == index["splits"]["train"]["tokens"]
    assert index["epochs_by_source"]["docs"] == pytest.approx(3 * index["epochs_by_source"]["code"], rel=0.05)
    assert [row["source"] for row in index["mixture"]] == ["docs", "code"]


def test_the_same_seed_gives_the_same_files_and_another_does_not(folders: tuple[Path, Path], tmp_path: Path) -> None:
    hashes = []
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        build_tokens(*folders, PROPORTIONS, 3_000, tmp_path / name, seed)
        hashes.append(sha256_of(tmp_path / name))
    assert hashes[0] == hashes[1] != hashes[2]


def test_held_out_splits_are_capped_by_source(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenize, "HELDOUT_TOKENS", 60)
    index = build_tokens(*folders, PROPORTIONS, 3_000, tmp_path / "tokens", seed=1)
    for counts in index["splits"]["validation"]["by_source"].values():
        assert 0 < counts["tokens"] <= 60


def test_a_source_that_repeats_too_often_is_named(folders: tuple[Path, Path], tmp_path: Path) -> None:
    index = build_tokens(*folders, PROPORTIONS, 20_000, tmp_path / "tokens", seed=1)
    assert index["repeated_sources"] == ["docs"]


def test_wrong_proportions_leave_nothing_behind(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'tasks' is not a source of the corpus"):
        build_tokens(*folders, {"docs": 0.5, "tasks": 0.5}, 3_000, tmp_path / "tokens", seed=1)
    assert not (tmp_path / "tokens").exists()


def test_a_mixture_by_name_wants_sources_of_those_names(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"'common-crawl', .*'wikipedia' are not sources of the corpus, which has code, docs"
    ):
        build_tokens(*folders, shares_of("gpt-3"), 3_000, tmp_path / "tokens", seed=1)


def test_the_weights_of_the_corpus_itself(folders: tuple[Path, Path], tmp_path: Path) -> None:
    weights = {source: {"weight": share} for source, share in PROPORTIONS.items()}
    write_json(folders[0] / "stats.json", {"by_source": weights})
    build_tokens(*folders, "corpus", 3_000, tmp_path / "weights", seed=1)
    build_tokens(*folders, PROPORTIONS, 3_000, tmp_path / "stated", seed=1)
    assert sha256_of(tmp_path / "weights") == sha256_of(tmp_path / "stated")


def test_a_share_of_less_than_a_token_takes_nothing(folders: tuple[Path, Path], tmp_path: Path) -> None:
    index = build_tokens(*folders, {"docs": 1 - 1e-9, "code": 1e-9}, 3_000, tmp_path / "tokens", seed=1)
    assert index["tokens_by_source"]["code"] == 0


def test_however_few_are_encoded_at_a_time_the_files_are_those_of_the_whole_corpus_in_memory(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mixture here is put together from documents as they stand in the corpus."""
    monkeypatch.setattr(tokenize, "_CHARACTERS", 50)
    build_tokens(*folders, PROPORTIONS, 3_000, tmp_path / "tokens", seed=1)
    monkeypatch.undo()
    build_tokens(*folders, PROPORTIONS, 3_000, tmp_path / "at once", seed=1)
    assert sha256_of(tmp_path / "tokens") == sha256_of(tmp_path / "at once")

    encoder = Tokenizer.load(folders[1])
    documents = {source: [] for source in PROPORTIONS}
    for document in read_documents(folders[0] / "train.parquet"):
        ids = [encoder.bos_id, *encoder.encode(document.text), encoder.end_id]
        documents[document.source].append((document.id, ids))
    lengths = {source: [len(ids) for _, ids in found] for source, found in documents.items()}
    budgets = plan({source: sum(counts) for source, counts in lengths.items()}, PROPORTIONS, 3_000).budgets
    mixed = [documents[source][place] for source, place in interleave(lengths, budgets, seed=1)]
    train = open_split(tmp_path / "tokens", "train")
    assert train.tokens.tolist() == [each for _, ids in mixed for each in ids]
    assert np.diff(train.offsets).tolist() == [len(ids) for _, ids in mixed]
    assert read_ids(tmp_path / "tokens", "train") == [name for name, _ in mixed]
    assert {path.name for path in (tmp_path / "tokens").iterdir()} == {
        "index.json",
        *(f"{split}{end}" for split in SPLITS for end in (".bin", ".offsets.npy", ".sources.npy", ".ids.parquet")),
    }


def test_the_fast_encoder_writes_the_same_files(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_tokens(*folders, PROPORTIONS, 3_000, tmp_path / "fast", seed=1)
    used: list[Tokenizer] = []
    monkeypatch.setattr(tokenize.BulkEncoder, "of", used.append)
    build_tokens(*folders, PROPORTIONS, 3_000, tmp_path / "slow", seed=1)
    assert used
    assert sha256_of(tmp_path / "fast") == sha256_of(tmp_path / "slow")
