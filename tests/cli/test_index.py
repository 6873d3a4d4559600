from pathlib import Path

import pytest


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/swan.md").write_text("# Swans\n\nSwans are white birds that live on lakes.\n")
    (tmp_path / "notes/picture.png").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "notes"


def test_index_and_search(cygnet, notes: Path) -> None:
    made = cygnet("index", "notes", "-o", "n.index")
    assert (made.code, made.out.splitlines()) == (
        0,
        [
            "n.index: passages: 1 in all, 0 embedded now; files: 1 new, 0 changed, 0 unchanged, 0 removed.",
            "Left out, another kind of file: notes/picture.png",
        ],
    )
    found = cygnet("search", "n.index", "white birds")
    assert found.code == 0
    lines = found.out.splitlines()
    assert lines[0] == "1. notes/swan.md, characters 0 to 50 (Swans)"
    assert "words " in lines[1]
    assert lines[2] == "   # Swans Swans are white birds that live on lakes."
    assert cygnet("search", "n.index", "white birds", "-n", 10**20).out == found.out
    assert cygnet("search", "n.index", "herons").out == "Nothing was found.\n"
    assert "1 unchanged" in cygnet("index", "notes", "-o", "n.index").out


def test_what_a_terminal_would_obey_is_not_printed(cygnet, notes: Path) -> None:
    (notes / "a\x1b[2J.txt").write_text("A heron\x1b]0;owned\x07 stands.")
    (notes / "b\x1b[2J.exe").touch()
    printed = cygnet("index", "notes", "-o", "n.index").out + cygnet("search", "n.index", "heron").out
    assert "heron ]0;owned  stands" in printed
    assert "\x1b" not in printed
    assert "\x07" not in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["index", "-o", "n.index"], "say what to index"),
        (["index", "nowhere", "-o", "n.index"], "nowhere does not exist"),
        (["index", "notes", "-o", "n.index", "--words", "0"], "can't be made"),
        (["index", "notes", "-o", "n.index", "--embedder", "nowhere"], "nowhere is not a folder"),
        (
            ["index", "notes", "-o", "notes"],
            "notes is a folder: name the file that the index is to be, such as notes/t",
        ),
        (["index", "notes", "-o", "notes/swan.md/x/n.index"], "the folder notes/swan.md/x can't be made: Not a dir"),
        (["index", "notes", "-o", "/proc/x/y"], "the folder /proc/x can't be made: "),
        (["search", "n.index", "swans"], "n.index is not an index: make one with `cygnet index"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(cygnet, notes: Path, arguments: list[str], message: str) -> None:
    code, out, err = cygnet(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert not Path("n.index").exists()
