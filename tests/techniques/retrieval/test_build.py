import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.techniques.retrieval import Index, Size, build_index
from cygnet.techniques.retrieval import build as building
from cygnet.techniques.retrieval.documents import read_documents
from cygnet.techniques.retrieval.store import Store


def test_every_chunk_knows_its_file_titles_and_characters(texts: Path, tmp_path: Path) -> None:
    built = build_index([texts], tmp_path / "n.index", progress=False)
    assert (built.new, built.chunks, built.embedded, built.left_out) == (3, 4, 0, {})
    with Index(tmp_path / "n.index") as index:
        [hit] = index.search("Rhine", 1)
    assert (hit.chunk.source, hit.chunk.titles) == ("notes/rivers.md", ("Rivers", "The Rhine"))
    assert hit.chunk.citation == "notes/rivers.md, characters 0 to 51 (Rivers › The Rhine)"
    [document] = read_documents(Path(hit.chunk.path), Path(hit.chunk.path).read_bytes())
    assert document.text[hit.chunk.start : hit.chunk.end] == hit.chunk.text


def test_only_what_has_changed_is_read_and_embedded_again(texts: Path, tmp_path: Path, letters) -> None:
    out = tmp_path / "n.index"
    assert build_index([texts], out, embedder="letters", progress=False).embedded == 4
    letters.read.clear()
    again = build_index([texts], out, progress=False)
    assert (again.unchanged, again.embedded, letters.read) == (3, 0, [])
    (texts / "birds/owl.txt").write_text("Owls see well.")
    (texts / "birds/swan.txt").unlink()
    (texts / "new.txt").write_text("Herons stand still.")
    built = build_index([texts], out, progress=False)
    assert (built.new, built.changed, built.unchanged, built.removed) == (1, 1, 1, 1)
    assert sorted(letters.read) == ["Herons stand still.", "Owls see well."]
    with Index(out) as index:
        assert index.count() == (4, 4)
        assert [hit.chunk.source for hit in index.search("swans white birds", 9)].count("notes/birds/swan.txt") == 0
        assert index.by_words("night sleep") == []
        assert [hit.chunk.text for hit in index.search("owls", 1)] == ["Owls see well."]


def test_the_embedder_reads_the_titles_too(texts: Path, tmp_path: Path, letters) -> None:
    build_index([texts / "rivers.md"], tmp_path / "n.index", embedder="letters", progress=False)
    assert letters.read[1] == "Rivers › The Elbe\n## The Elbe\n\nThe Elbe is shorter."


def test_other_folders_stay_as_they_are(texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "n.index"
    build_index([texts / "birds"], out, progress=False)
    built = build_index([texts / "rivers.md"], out, progress=False)
    assert (built.new, built.removed, built.chunks) == (1, 0, 4)


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from cygnet.lm.embedder import Embedder
from cygnet.techniques.retrieval import build

class Mortal(Embedder):
    name = address = "letters"
    batches = 0
    def embed(self, texts):
        Mortal.batches += 1
        if Mortal.batches == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.ones((len(texts), 26), dtype=np.float32) / 26**0.5

build._EMBEDDED_TOGETHER = 4
build.load_embedder = lambda address: Mortal()
build.build_index([Path(sys.argv[1])], Path(sys.argv[2]), embedder="letters", progress=False)
"""


def test_killed_in_the_middle_it_goes_on_where_it_was(tmp_path: Path, letters, monkeypatch) -> None:
    folder, out = tmp_path / "many", tmp_path / "n.index"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.txt").write_text(f"Text number {number}.")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(out)], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    with Index(out) as index:
        assert index.count() == (20, 8)
        assert len(index.search("text", 20)) == 20
    letters.read.clear()
    built = build_index([folder], out, progress=False)
    assert (built.unchanged, built.embedded, len(letters.read)) == (20, 12, 12)


def test_an_index_keeps_to_its_embedder_and_its_sizes(texts: Path, tmp_path: Path, letters) -> None:
    out = tmp_path / "n.index"
    build_index([texts], out, embedder="letters", size=Size(40, 5), progress=False)
    build_index([texts], out, embedder="elsewhere", size=Size(40, 5), progress=False)  # the same one, at another place
    with pytest.raises(UserError, match="chunks of 40 words that share 5"):
        build_index([texts], out, size=Size(50, 5), progress=False)
    with pytest.raises(UserError, match="made with the embedder letters, not none"):
        build_index([texts], out, embedder="none", progress=False)
    letters.name = "other letters"
    for use in (lambda: build_index([texts], out, progress=False), lambda: Index(out)):
        with pytest.raises(UserError, match="made with the embedder letters, not other letters"):
            use()


def test_what_is_left_out_is_counted_with_its_reason(texts: Path, tmp_path: Path) -> None:
    (texts / "picture.png").write_bytes(b"\x89PNG")
    (texts / "zero.txt").write_bytes(b"a\0b")
    (texts / "void.md").touch()
    os.mkfifo(texts / "pipe.txt")
    built = build_index([texts], texts / "n.index", progress=False)  # the index is not among its own files
    assert built.left_out == {
        "another kind of file": ["notes/picture.png"],
        "binary: it has zero bytes": ["notes/zero.txt"],
        "empty": ["notes/void.md"],
        "not a file": ["notes/pipe.txt"],
    }


def test_links_out_of_the_folder_are_not_followed(texts: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("The password is swordfish.")
    (texts / ".hidden").mkdir()
    (texts / ".hidden/plan.txt").write_text("Herons are planned.")
    (texts / "out.txt").symlink_to(tmp_path / "secret.txt")
    (texts / "again.md").symlink_to(texts / "rivers.md")
    (texts / "plan.txt").symlink_to(".hidden/plan.txt")
    out, by_link = tmp_path / "n.index", tmp_path / "notes-by-link"
    by_link.symlink_to(texts)
    built = build_index([texts], out, progress=False)
    assert (built.new, built.left_out) == (
        4,
        {
            "a link out of the folder: name what it leads to, to index that": ["notes/out.txt"],
            "a link to a file that is indexed by itself": ["notes/again.md"],
        },
    )
    with Index(out) as index:
        assert index.by_words("password") == []
        assert [hit.chunk.source for hit in index.search("herons", 1)] == ["notes/plan.txt"]
    assert build_index([by_link], out, progress=False).unchanged == 4  # the same folder by another way
    (texts / "plan.txt").unlink()
    assert build_index([texts], out, progress=False).removed == 1
    assert build_index([texts, tmp_path / "secret.txt"], out, progress=False).new == 1


def test_a_file_that_can_no_longer_be_read_leaves_the_index(texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "n.index"
    build_index([texts], out, progress=False)
    (texts / "birds/owl.txt").write_bytes(b"\0")
    assert build_index([texts], out, progress=False).removed == 1


def test_nothing_to_index_is_a_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    empty, out = tmp_path / "empty", tmp_path / "n.index"
    empty.mkdir()
    with pytest.raises(UserError, match="nothing to index in .*empty.*no files"):
        build_index([empty], out, progress=False)
    (empty / "a.png").touch()
    with pytest.raises(UserError, match="1 another kind of file"):
        build_index([empty], out, progress=False)
    with pytest.raises(UserError, match="nowhere does not exist"):
        build_index([tmp_path / "nowhere"], out, progress=False)
    assert not out.exists()


def test_an_emptied_index_says_so(texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "n.index"
    build_index([texts], out, progress=False)
    shutil.rmtree(texts)
    texts.mkdir()
    with pytest.raises(UserError, match="nothing to index"):
        build_index([texts], out, progress=False)
    with Index(out) as index, pytest.raises(UserError, match="is empty: index some files"):
        index.search("swan")


def test_an_empty_file_is_where_an_index_may_be_made(tmp_path: Path, texts: Path) -> None:
    (tmp_path / "n.index").touch()
    with pytest.raises(UserError, match="make it anew"):
        Index(tmp_path / "n.index")
    assert build_index([texts], tmp_path / "n.index", progress=False).chunks == 4


def test_a_file_that_is_no_index_is_refused(tmp_path: Path, texts: Path) -> None:
    data = b"not a database, whatever its name says" * 99
    (tmp_path / "n.index").write_bytes(data)
    with pytest.raises(UserError, match="index"):
        Index(tmp_path / "n.index")
    with pytest.raises(UserError, match="index"):
        build_index([texts], tmp_path / "n.index", progress=False)
    assert (tmp_path / "n.index").read_bytes() == data


def test_a_damaged_index_is_a_clear_error(texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "n.index"
    build_index([texts], out, progress=False)
    data = out.read_bytes()
    out.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    with pytest.raises(UserError, match="can't be used"), Index(out) as index:
        index.search("swan")


def test_many_files_are_entered_in_batches(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(building, "_ENTERED_TOGETHER", 2)
    entered = []
    put = Store.put_files
    monkeypatch.setattr(Store, "put_files", lambda self, files: (entered.append(len(files)), put(self, files)))
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.txt").write_text(f"Text {number}.")
    assert build_index([folder], tmp_path / "n.index", progress=False).chunks == 5
    assert entered == [2, 2, 1]


def test_chinese_and_japanese_are_found_by_pairs_of_characters(tmp_path: Path) -> None:
    folder, out = tmp_path / "texts", tmp_path / "n.index"
    folder.mkdir()
    (folder / "a.txt").write_text("上海是中国最大的城市。", encoding="utf-8")
    (folder / "b.txt").write_text("海上有三只天鹅。", encoding="utf-8")
    (folder / "c.md").write_text("# 白鳥\n\n湖に住む swans です。", encoding="utf-8")
    build_index([folder], out, progress=False)

    def found(query: str) -> list[str]:
        with Index(out) as index:
            return [hit.chunk.source for hit in index.search(query)]

    assert found("上海") == ["texts/a.txt"]
    assert found("天鹅在哪里") == ["texts/b.txt"]
    assert found("鹅") == ["texts/b.txt"]
    assert found("白鳥") == found("swan住む") == ["texts/c.md"]
    (folder / "a.txt").unlink()
    build_index([folder], out, progress=False)
    assert found("上海") == []
