import re
from collections import Counter
from pathlib import Path

import pytest

from cygnet.cli.main import run_command
from cygnet.corpus.pipeline.look import chosen, containing, describe, documents, sample
from cygnet.corpus.pipeline.shards import DOCUMENTS, VERDICTS, write_rows
from cygnet.errors import UserError


def row(number: int, dropped: str | None = None, text: str = "A swan.") -> dict:
    detail = "words is 2, must be >= 50" if dropped else None
    return {"id": f"s/0/{number}", "url": f"https://swans.test/{number}", "source": "s", "text": text} | {
        "dropped": dropped, "detail": detail, "edits": {"email": 1}
    }  # fmt: skip


ROWS = [row(0), row(1, "gopher_too_few_words"), row(2, "c4_lorem_ipsum"), row(3, text="A GOOSE\x1b[2J.")]


def test_rows_are_chosen_by_fate_and_by_the_begin_of_a_rules_name() -> None:
    assert [one["id"] for one in chosen(ROWS, dropped=True)] == ["s/0/1", "s/0/2"]
    assert [one["id"] for one in chosen(ROWS, dropped=False)] == ["s/0/0", "s/0/3"]
    assert [one["id"] for one in chosen(ROWS, rule="gopher")] == ["s/0/1"]
    assert not list(chosen(ROWS, source="other"))


def test_words_are_found_whatever_their_case() -> None:
    assert [one["id"] for one in containing(ROWS, "goose")] == ["s/0/3"]


def test_a_document_is_described_with_its_reason_and_without_control_codes() -> None:
    assert "dropped by gopher_too_few_words: words is 2, must be >= 50" in describe(ROWS[1])
    assert "kept (taken out: 1 × email)" in describe(ROWS[3])
    assert "\x1b" not in describe(ROWS[3])
    assert "5 characters more" in describe(row(0, text="123456789"), shown=4)


def test_every_row_is_as_likely_in_a_sample() -> None:
    drawn = Counter(one["id"] for seed in range(400) for one in sample(ROWS, 2, seed))
    assert all(150 < drawn[one["id"]] < 250 for one in ROWS)
    assert sample(ROWS, 2, 1) == sample(ROWS, 2, 1)


def test_a_folder_that_is_no_corpus_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no documents/: build it"):
        list(documents(tmp_path))
    with pytest.raises(UserError, match="nowhere is no folder"):
        list(documents(tmp_path / "nowhere"))


VERBS = (["inspect"], ["sample"], ["search", "swan"])


def write_documents(corpus: Path) -> bytes:
    """A shard of documents; its bytes."""
    path = corpus / "documents/s/0.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_rows(path, DOCUMENTS, (dict.fromkeys(DOCUMENTS.names) | one for one in ROWS))
    return path.read_bytes()


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_a_damaged_shard_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: list[str]) -> None:
    whole = write_documents(tmp_path)
    assert run_command(["corpus", verb[0], str(tmp_path), *verb[1:]]) == 0
    path = tmp_path / "documents/s/0.parquet"
    middle = len(whole) // 3
    for damaged in (b"", b"no parquet", whole[:-9], whole[:middle] + bytes(200) + whole[middle + 200 :]):
        path.write_bytes(damaged)
        capsys.readouterr()
        assert run_command(["corpus", verb[0], str(tmp_path), *verb[1:]]) == 2
        assert "0.parquet is damaged" in capsys.readouterr().err


def test_a_parquet_file_of_something_else_is_told(tmp_path: Path) -> None:
    (tmp_path / "documents/s").mkdir(parents=True)
    write_rows(tmp_path / "documents/s/0.parquet", VERDICTS, [{"rule": None, "detail": None}])
    with pytest.raises(UserError, match=r"0\.parquet is no shard of a corpus: it has no dropped"):
        list(documents(tmp_path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "has no stats.json"),
        ("", "is not valid JSON"),
        ("3", "is no stats.json of"),
        ('{"by_source": {"swans": {"read": "many"}}}', r"by_source\.swans\.read: Input should be a valid integer"),
        ('{"kept": 3}', "by_source: Field required"),
    ],
)
def test_numbers_that_are_damaged_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, words: str
) -> None:
    if text is not None:
        (tmp_path / "stats.json").write_text(text)
    assert run_command(["corpus", "stats", str(tmp_path)]) == 2
    assert re.search(words, capsys.readouterr().err)
