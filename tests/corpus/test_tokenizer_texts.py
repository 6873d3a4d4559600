from pathlib import Path

import pytest

from cygnet.corpus.document import Document
from cygnet.corpus.parquet import write_documents
from cygnet.corpus.tokenizer_texts import tokenizer_texts
from cygnet.errors import UserError


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    long = [Document(f"long{i}", "code", f"{i:03}" + "x" * 97, "m") for i in range(30)]
    short = [Document(f"short{i}", "docs", f"{i:03}" + "y" * 7, "m") for i in range(100)]
    write_documents(tmp_path / "train.parquet", [*long, *short])
    return tmp_path


def test_bytes_are_in_the_stated_proportions_without_repeats(corpus: Path) -> None:
    texts = tokenizer_texts(corpus, {"docs": 0.5, "code": 0.5}, seed=1)
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
