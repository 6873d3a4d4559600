from pathlib import Path

import pytest

from cygnet.corpus.document import Document
from cygnet.corpus.mixture import interleave
from cygnet.corpus.parquet import write_documents
from cygnet.corpus.tokenizer_texts import tokenizer_texts
from cygnet.errors import UserError
from cygnet.files import write_json
from cygnet.tokens.tokenizer import train_tokenizer


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    long = [Document(f"long{i}", "code", f"{i:03}" + "x" * 97, "m") for i in range(30)]
    short = [Document(f"short{i}", "docs", f"{i:03}" + "y" * 7, "m") for i in range(100)]
    write_documents(tmp_path / "train.parquet", [*long, *short])
    return tmp_path


def test_bytes_are_in_the_stated_proportions_without_repeats(corpus: Path) -> None:
    texts = list(tokenizer_texts(corpus, {"docs": 0.5, "code": 0.5}, seed=1))
    docs = [text for text in texts if "y" in text]
    assert len(docs) == 100
    assert len(texts) - len(docs) == 10
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("share", [0.0, -0.5, float("nan")])
def test_a_share_that_is_no_share(corpus: Path, share: float) -> None:
    with pytest.raises(UserError, match=r"proportions\.docs is .*: it must be above 0"):
        tokenizer_texts(corpus, {"docs": share, "code": 1.0}, seed=1)


def test_a_source_that_is_not_there(corpus: Path) -> None:
    with pytest.raises(UserError, match="'tasks' is not a source of the corpus"):
        tokenizer_texts(corpus, {"docs": 0.5, "tasks": 0.5}, seed=1)


def test_in_the_order_of_the_file_they_make_the_same_tokenizer(corpus: Path) -> None:
    texts = list(tokenizer_texts(corpus, {"docs": 0.5, "code": 0.5}, seed=1))
    order = interleave({"docs": [10] * 100, "code": [100] * 30}, {"docs": 1_000, "code": 1_000}, seed=1)
    mixed = [f"{place:03}" + ("y" * 7 if source == "docs" else "x" * 97) for source, place in order]
    assert mixed != texts
    assert sorted(mixed) == sorted(texts)
    assert train_tokenizer(mixed, 300).definition() == train_tokenizer(texts, 300).definition()


def test_the_weights_of_the_corpus_itself(corpus: Path) -> None:
    write_json(corpus / "stats.json", {"by_source": {"docs": {"weight": 0.8}, "code": {"weight": 0.2}}})
    texts = list(tokenizer_texts(corpus, "corpus", seed=1))
    assert sum("x" in text for text in texts) == 3  # 250 bytes beside 1,000
    write_json(corpus / "stats.json", {"by_source": {"docs": {"weight": 1.0}, "code": {}}})
    with pytest.raises(UserError, match=r"no weight for code.*corpus\.sources = \[\]"):
        tokenizer_texts(corpus, "corpus", seed=1)
