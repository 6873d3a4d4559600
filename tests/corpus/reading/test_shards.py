import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from cygnet.corpus.reading import folder
from cygnet.corpus.reading.config import FolderSource, HubSource, Source
from cygnet.corpus.reading.shards import list_shards, read_shard
from cygnet.corpus.records import Record, Skipped
from cygnet.errors import UserError

SOURCE: TypeAdapter[Any] = TypeAdapter(Source)


def pdf_saying(text: str) -> bytes:
    drawn = f"BT /F 12 Tf 20 100 Td ({text}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(drawn), drawn),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    data, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj%b\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer<</Root 1 0 R/Size 6>>\nstartxref\n%d\n%%%%EOF" % len(data)
    return data + b"xref\n0 6\n0000000000 65535 f \n" + table + trailer


PDF = pdf_saying("A swan")


def read(config: Any, base: Path, extract: Any) -> list[Record | Skipped]:
    return [item for shard in list_shards(config, base) for item in read_shard("mine", config, shard, extract)]


def test_documents_of_a_folder(tmp_path: Path, extract: Any) -> None:
    files = {
        "a.html": b"<title>T</title><main><p>Caf\xe9</p></main>",
        "b.md": "\ufeff# Über\r\n\r\n```\r\n    code\r\n```\r\n".encode(),
        "c.txt": "naïve".encode("cp1252") * 20,
        "d.rst": b" \n",
        "e.pdf": PDF,
        "f.pdf": b"%PDF-1.4 no more",
        "g.txt": b"\x7fELF\0\0\0",
        "h.png": b"\x89PNG",
        "i.txt": b"x" * 2000,
        ".git/config.txt": b"passed over",
        "deep/.c.txt.writing-1": b"passed over",
        "deep/j.TXT": b"last",
    }
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    found = read(FolderSource(kind="folder", path=(".",), most_bytes=1500), tmp_path, extract)
    by_name = {Path(item.url).name: item.text if isinstance(item, Record) else item.reason for item in found}
    assert by_name == {
        "a.html": "Café",
        "b.md": "# Über\n\n```\n    code\n```",
        "c.txt": "naïve" * 20,
        "d.rst": "empty",
        "e.pdf": "A swan",
        "f.pdf": "parser_error",
        "g.txt": "binary",
        "h.png": "other_file_type",
        "i.txt": "too_long",
        "j.TXT": "last",
    }
    assert [item.url for item in found] == sorted(item.url for item in found)


def test_without_pypdf_a_pdf_is_told_and_what_to_install(
    tmp_path: Path, extract: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.pdf").write_bytes(PDF)
    monkeypatch.setattr(folder.importlib.util, "find_spec", lambda name: None)
    assert read(FolderSource(kind="folder", path=("a.pdf",)), tmp_path, extract) == [
        Skipped("mine", f"{tmp_path}/a.pdf", "pdf_needs_extra", "pip install 'cygnet[pdf]' reads it")
    ]


def test_shards_are_files_and_handfuls_of_small_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cygnet.corpus.reading.shards._SMALL_FILES", 2)
    for name in ("b.txt", "a.txt", "c.txt", "x.jsonl", "y.jsonl.gz", "z.parquet"):
        (tmp_path / name).write_text("123")

    def names(**config: Any) -> list[tuple[str, int, int]]:
        shards = list_shards(SOURCE.validate_python(config), tmp_path)
        return [(shard.name, len(shard.paths), shard.size) for shard in shards]

    assert names(kind="folder", path="*.txt") == [("a.txt", 2, 6), ("c.txt", 1, 3)]
    assert names(kind="jsonl", path=str(tmp_path)) == [("x.jsonl", 1, 3), ("y.jsonl.gz", 1, 3)]
    assert names(kind="parquet", path=["z.parquet", "*.parquet"]) == [("z.parquet", 1, 3)]
    assert names(kind="hub", dataset="a/b") == [("a/b/default/train", 0, 0)]


@pytest.mark.parametrize("path", ["missing", "*.warc", ".", "[a.txt"])
def test_a_path_that_names_nothing_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(UserError, match=r"is no file or folder"):
        list_shards(SOURCE.validate_python({"kind": "warc", "path": path}), tmp_path)


def test_a_file_that_has_gone_is_told(tmp_path: Path, extract: Any) -> None:
    (tmp_path / "a.txt").write_text("x")
    config = FolderSource(kind="folder", path=("a.txt",))
    (shard,) = list_shards(config, tmp_path)
    (tmp_path / "a.txt").unlink()
    with pytest.raises(UserError, match=r"a\.txt has gone"):
        list(read_shard("mine", config, shard, extract))


@pytest.mark.parametrize(
    "config",
    [
        {"kind": "web", "path": "a"},
        {"kind": "warc"},
        {"kind": "warc", "path": []},
        {"kind": "warc", "path": "a", "weight": 1},
        {"kind": "jsonl", "path": "a", "columns": {"url": "b"}},
        {"kind": "hub", "dataset": ""},
    ],
)
def test_mistakes_in_a_source_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SOURCE.validate_python(config)


class FakeHub:
    """Stands in for the package `datasets`, which is not installed for tests."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows
        self.asked: dict[str, Any] = {}

    def load_dataset(self, name: str, subset: str | None, **how: Any) -> list[dict[str, Any]]:
        self.asked = {"name": name, "subset": subset, **how}
        return self.rows


def test_a_data_set_of_the_hub_is_streamed(tmp_path: Path, extract: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = FakeHub([{"text": "one", "id": 1}, {"text": None, "id": 2}])
    monkeypatch.setitem(sys.modules, "datasets", hub)  # type: ignore[arg-type]
    config = HubSource(kind="hub", dataset="a/b", subset="en", split="test", columns={"text": "text", "id": "id"})
    one, two = read(config, tmp_path, extract)
    assert one == Record("mine", "hf://a/b/en/test#1", "one", {"id": "1"})
    assert isinstance(two, Skipped)
    assert hub.asked == {"name": "a/b", "subset": "en", "split": "test", "revision": None, "streaming": True}
    with pytest.raises(UserError, match=r"a/b has no column 'body'. Its columns are: text, id"):
        read(HubSource(kind="hub", dataset="a/b", columns={"text": "body"}), tmp_path, extract)


def test_without_datasets_it_is_said_what_to_install(
    tmp_path: Path, extract: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"pip install 'cygnet\[hub\]'"):
        read(HubSource(kind="hub", dataset="a/b"), tmp_path, extract)
