from collections import Counter
from pathlib import Path

import pytest

from cygnet.corpus.pipeline.look import chosen, containing, describe, documents, sample
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
