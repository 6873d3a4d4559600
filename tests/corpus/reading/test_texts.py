from pathlib import Path

import pytest

from cygnet.corpus.extraction.page import Unreadable
from cygnet.corpus.reading.config import TextsSource
from cygnet.corpus.reading.shards import list_shards, read_shard
from cygnet.corpus.records import Record, Skipped
from cygnet.errors import UserError


def own_texts(folder: Path) -> list[Record | Skipped]:
    config = TextsSource(kind="texts", path=folder.name)
    (shard,) = list_shards(config, folder.parent)
    return list(read_shard("own", config, shard, lambda data, kind: Unreadable("not_asked")))


def test_text_files_are_read_in_order_and_others_counted(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.md").write_text("# Second\r\n\r\ntext")
    (tmp_path / "a.txt").write_text("First", encoding="utf-8-sig")
    (tmp_path / "c.png").write_bytes(b"\0")
    (tmp_path / "d.txt").write_bytes(b"")
    (tmp_path / "deep" / "a.md").write_text(" \n")
    assert own_texts(tmp_path) == [
        Record("own", "a.txt#0", "First", {"unit": "a.txt#0"}),
        Skipped("own", "c.png", "other_file_type", ".png"),
        Skipped("own", "d.txt", "empty"),
        Skipped("own", "deep/a.md", "empty"),
        Record("own", "deep/b.md#0", "# Second\n\ntext", {"unit": "deep/b.md#0"}),
    ]


def test_a_long_file_is_held_out_by_stretches(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("\n\n".join("word " * 150 for _ in range(40)))
    units = [item.metadata["unit"] for item in own_texts(tmp_path) if isinstance(item, Record)]
    assert sorted(set(units)) == ["book.txt#0", "book.txt#1", "book.txt#2"]
    assert units.count("book.txt#0") == 16


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x89PNG\0", r"bad\.txt is a binary file"),
        (b"caf\xe9", r"bad\.txt is not UTF-8 text \(byte 3\)"),
    ],
)
def test_a_file_that_is_no_text_is_refused_by_name(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "good.txt").write_text("good")
    (tmp_path / "bad.txt").write_bytes(data)
    with pytest.raises(UserError, match=message):
        own_texts(tmp_path)


def test_a_folder_with_nothing_to_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no \.txt"):
        own_texts(tmp_path)
    (tmp_path / "a.txt").touch()
    (tmp_path / "b.csv").write_text("not read")
    with pytest.raises(UserError, match=f"{tmp_path} holds no text: its .* files are empty"):
        own_texts(tmp_path)
    with pytest.raises(UserError, match="is not a folder"):
        own_texts(tmp_path / "nowhere")
