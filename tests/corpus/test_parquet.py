from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cygnet.corpus.document import Document
from cygnet.corpus.parquet import find_document, read_documents, write_documents
from cygnet.errors import UserError

DOCUMENTS = [Document("1", "docs", "text\twith ünïcode\n", "m.n"), Document("2", "tasks", "Q", "addition", ("k", "l"))]


def test_documents_come_back_as_they_were(tmp_path: Path) -> None:
    write_documents(tmp_path / "train.parquet", DOCUMENTS)
    assert list(read_documents(tmp_path / "train.parquet")) == DOCUMENTS


def test_other_files_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.parquet does not exist"):
        list(read_documents(tmp_path / "gone.parquet"))
    (tmp_path / "text.parquet").write_text("not parquet")
    with pytest.raises(UserError, match=r"text\.parquet is not a parquet file"):
        list(read_documents(tmp_path / "text.parquet"))
    pq.write_table(pa.table({"id": [1, 2]}), tmp_path / "other.parquet")
    with pytest.raises(UserError, match=r"other\.parquet is no corpus file: it has id where"):
        list(read_documents(tmp_path / "other.parquet"))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    write_documents(path, [Document(str(number), "docs", f"{number} swans " * 99, "m") for number in range(2_000)])
    data = bytearray(path.read_bytes())
    data[len(data) // 4 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 4)
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"train\.parquet is damaged"):
        list(read_documents(path))


def test_a_file_is_read_piece_by_piece(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    rows = [Document(str(number), "docs", str(number), "m") for number in range(2_500)]
    write_documents(path, iter(rows))
    assert pq.read_metadata(path).num_row_groups == 3
    documents = read_documents(path)
    assert next(documents) == rows[0]
    assert list(documents) == rows[1:]


def test_one_document_is_found_without_the_texts_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "train.parquet"
    write_documents(path, [Document(str(number), "docs", f"text {number}", "m", ("k",)) for number in range(3_500)])
    whole: list[int] = []
    read = pq.ParquetFile.read_row_group

    def noted(self: pq.ParquetFile, group: int, columns: list[str] | None = None, **more: bool) -> pa.Table:
        if columns is None:
            whole.append(group)
        return read(self, group, columns=columns, **more)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", noted)
    assert find_document(path, "2345") == Document("2345", "docs", "text 2345", "m", ("k",))
    assert whole == [2]
    assert find_document(path, "9999") is None
