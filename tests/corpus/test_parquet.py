from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cygnet.corpus.document import Document
from cygnet.corpus.parquet import read_documents, write_documents
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
