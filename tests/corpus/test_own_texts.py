from pathlib import Path

import pytest

from cygnet.corpus.document import Document, Dropped
from cygnet.corpus.own_texts import own_texts
from cygnet.errors import UserError


def test_text_files_are_read_in_order_and_others_counted(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.md").write_text("# Second\r\n\r\ntext")
    (tmp_path / "a.txt").write_text("First", encoding="utf-8-sig")
    (tmp_path / "c.png").write_bytes(b"\0")
    assert list(own_texts(tmp_path)) == [
        Document("own:a.txt:0", "own", "First", "a.txt#0"),
        Dropped("other_file_type", "c.png"),
        Document("own:deep/b.md:0", "own", "# Second\n\ntext", "deep/b.md#0"),
    ]


def test_a_long_file_is_held_out_by_stretches(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("\n\n".join("word " * 150 for _ in range(40)))
    origins = [item.origin for item in own_texts(tmp_path)]
    assert sorted(set(origins)) == ["book.txt#0", "book.txt#1", "book.txt#2"]
    assert origins.count("book.txt#0") == 16


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"bad\.txt is empty"),
        (b" \n", r"bad\.txt is empty"),
        (b"\x89PNG\0", r"bad\.txt is a binary file"),
        (b"caf\xe9", r"bad\.txt is not UTF-8 text \(byte 3\)"),
    ],
)
def test_a_file_that_is_no_text_is_refused_by_name(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "good.txt").write_text("good")
    (tmp_path / "bad.txt").write_bytes(data)
    with pytest.raises(UserError, match=message):
        list(own_texts(tmp_path))


def test_a_folder_with_nothing_to_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no \.txt"):
        list(own_texts(tmp_path))
    with pytest.raises(UserError, match="is not a folder"):
        list(own_texts(tmp_path / "nowhere"))
