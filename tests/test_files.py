import errno
import hashlib
import os
from pathlib import Path
from typing import NoReturn

import pytest

from cygnet.errors import UserError
from cygnet.files import read_json, read_jsonl, sha256_of, write_aside, write_json, write_jsonl


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    with write_aside(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    with pytest.raises(ZeroDivisionError), write_aside(path) as temporary:
        temporary.write_text("half")
        _ = 1 / 0
    assert path.read_text() == "new"
    assert [child.name for child in path.parent.iterdir()] == ["file.txt"]


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with write_aside(tmp_path / "folder") as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name)
    assert [child.name for child in (tmp_path / "folder").iterdir()] == ["two"]
    assert [child.name for child in tmp_path.iterdir()] == ["folder"]


def test_a_full_disk_is_the_users_to_mend(tmp_path: Path) -> None:
    def full() -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    expected = pytest.raises(UserError, match=r"could not write .*model: No space left on device\. Free some room")
    with expected, write_aside(tmp_path / "model") as temporary:
        temporary.mkdir()
        full()
    assert list(tmp_path.iterdir()) == []


def test_other_failures_are_not_called_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), write_aside(tmp_path / "file"):
        (tmp_path / "missing").read_text()


def test_a_files_hash_is_the_one_that_other_tools_print(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"swan" * 100_000)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(b"swan" * 100_000).hexdigest()


def test_a_folders_hash_depends_on_names_and_contents(tmp_path: Path) -> None:
    def folder(name: str, files: dict[str, str]) -> str:
        for file, text in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(text)
        return sha256_of(tmp_path / name)

    first = folder("a", {"x": "1", "sub/y": "2"})
    assert folder("b", {"sub/y": "2", "x": "1"}) == first
    assert folder("c", {"x": "1", "sub/z": "2"}) != first
    assert folder("d", {"x": "12", "sub/y": ""}) != first


def test_names_that_are_not_utf8_are_hashed_and_come_back(tmp_path: Path) -> None:
    folder, twin = tmp_path / "folder", tmp_path / "twin"
    for place, name in ((folder, b"\xe9t\xe9.txt"), (twin, b"\xe8t\xe8.txt")):
        place.mkdir()
        try:
            (place / os.fsdecode(name)).write_text("summer")
        except OSError:
            pytest.skip("the names of files are UTF-8 here")
    assert sha256_of(folder) != sha256_of(twin)
    names = [path.name for path in folder.iterdir()]
    write_json(tmp_path / "names.json", names)
    assert read_json(tmp_path / "names.json") == names


def test_json_comes_back(tmp_path: Path) -> None:
    value = {"name": "cygné", "numbers": [1, 2.5, None]}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    (tmp_path / "swan.jsonl").write_text(r'{"a whole pair": "\ud83e\udda2", "a backslash": "\\ud83e"}')
    assert read_jsonl(tmp_path / "swan.jsonl") == [{"a whole pair": "🦢", "a backslash": "\\ud83e"}]
    write_jsonl(tmp_path / "a.jsonl", [value, {"text": "two\nlines\u2028here"}])
    assert read_jsonl(tmp_path / "a.jsonl") == [value, {"text": "two\nlines\u2028here"}]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "holds no rows"),
        (b"\n  \n", "holds no rows"),
        (b'{"a": 1}\n{oops\n', r"rows.jsonl, row 2: not valid JSON"),
        (b'{"a": 1}\n\n[1]\n', "row 3: expected an object, found list"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b'{"a": 1}\n{"a": [NaN]}\n', r"row 2: not valid JSON \(NaN is no number\)"),
        (b'{"a": 1}\n{"a": ["half of a swan: \\ud83e"]}\n', "row 2: has half of a surrogate pair"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "rows.jsonl").write_bytes(data)
    with pytest.raises(UserError, match=message):
        read_jsonl(tmp_path / "rows.jsonl")


def test_missing_and_malformed_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.jsonl does not exist"):
        read_jsonl(tmp_path / "nothing.jsonl")
    with pytest.raises(UserError, match=r"nothing\.json does not exist"):
        read_json(tmp_path / "nothing.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(UserError, match=r"bad\.json is not valid JSON"):
        read_json(tmp_path / "bad.json")


def test_a_folder_is_no_json_lines_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder, not a JSON Lines file"):
        read_jsonl(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"rows\.jsonl does not exist"):
        read_jsonl(tmp_path / "file/rows.jsonl")


@pytest.mark.parametrize("text", ["9" * 5000, "[" * 200_000, '{"a": ' + "9" * 5000 + "}"])
def test_json_that_python_will_not_take_is_told_with_its_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(UserError, match=r"x\.jsonl is not valid JSON"):
        read_json(path)
    with pytest.raises(UserError, match=r"x\.jsonl, row 1: not valid JSON"):
        read_jsonl(path)
