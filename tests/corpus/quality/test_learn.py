import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cygnet.cli.main import run_command
from cygnet.corpus.document import Document
from cygnet.corpus.parquet import write_documents
from cygnet.corpus.quality.learn import read_side
from cygnet.corpus.quality.learned import QualityFilter
from cygnet.errors import UserError
from cygnet.files import write_json


def texts(words: str, count: int) -> list[str]:
    """Texts mostly of words that both kinds have."""
    rng = random.Random(words)
    pool = "the of and a in swan river bridge water stone".split() * 3 + words.split()
    return [f"{number} " + " ".join(rng.choices(pool, k=40)) for number in range(count)]


GOOD, CRAWL = texts("therefore observed measured explains", 60), texts("click subscribe cheap login", 200)


def write_rows(path: Path, rows: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text, "url": "other"}) + "\n" for text in rows))
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A folder of files of every kind, and one that is none."""
    folder = tmp_path / "good"
    (folder / "more").mkdir(parents=True)
    write_rows(folder / "a.jsonl", GOOD[:20])
    pq.write_table(pa.table({"text": GOOD[20:40]}), folder / "more" / "b.parquet")
    for number, text in enumerate(GOOD[40:]):
        (folder / f"{number:02}.txt").write_text(text)
    (folder / ".hidden.txt").write_text("not this")
    (folder / "image.png").write_bytes(b"nor this")
    return folder


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    """A corpus as `cygnet corpus build` leaves it."""
    folder = tmp_path / "crawled"
    folder.mkdir()
    pages = [Document(str(place), "web", text, f"https://swans.test/{place}") for place, text in enumerate(CRAWL)]
    write_documents(folder / "train.parquet", pages)
    write_documents(folder / "test.parquet", [Document("t", "web", "held out", "https://swans.test/t")])
    write_json(folder / "stats.json", {})
    return folder


def test_a_filter_is_learned_measured_and_saved(
    good: Path, crawl: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "filter"
    command = ["corpus", "filter", str(good), str(crawl), "-o", str(out), "--keep", "0.2"]
    assert run_command(command) == 0
    printed = capsys.readouterr().out
    assert "60 texts in" in printed
    assert "200 texts in" in printed
    found = QualityFilter.load(out)
    assert (found.heldout.good, found.heldout.crawl) == (6, 20)
    assert found.heldout.crawl_kept == pytest.approx(0.2)
    assert f"AUC {found.heldout.auc:.4f}" in printed
    assert f"threshold {found.threshold:.4f}: of those, 20.0% of crawl" in printed
    best, worst = printed.split("best of crawl:")[1].split("worst of crawl:")
    assert best.count("https://swans.test/") == worst.count("https://swans.test/") == 3
    scores = [float(line.split()[0]) for line in (best + worst).splitlines() if "https" in line]
    assert scores == sorted(scores, reverse=True)
    before = (out / "weights.npz").read_bytes()
    assert run_command(command) == 0  # in place of itself
    assert (out / "weights.npz").read_bytes() == before


def test_texts_are_drawn_from_all_of_them(crawl: Path) -> None:
    side = read_side(crawl, 50, seed=1)
    assert (side.read, len(side.drawn)) == (200, 50)
    assert "200 texts" in str(side)
    assert "50 of them drawn at random" in str(side)
    assert max(CRAWL.index(text) for text in side.texts) > 150
    assert read_side(crawl, 50, seed=2).texts != side.texts


def test_what_has_no_text_is_counted_by_reason(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", GOOD)
    path.write_text(path.read_text() + 'no json\n{"text": 3}\n')
    side = read_side(path, 99, seed=1)
    assert side.read == 60
    assert dict(side.skipped) == {"not_json": 1, "not_text": 1}
    assert "(skipped: 1 not_json, 1 not_text)" in str(side)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("gone.jsonl", None, "does not exist"),
        ("empty.jsonl", "", "has no texts"),
        ("bad.jsonl", "no json\n", "has no texts: skipped were 1 not_json"),
        ("page.html", "<p>swan", "is no .jsonl, .parquet or .txt"),
        ("other.jsonl", '{"body": "swan"}\n', "has no column 'text'"),
    ],
)
def test_files_that_cannot_be_used_are_named(tmp_path: Path, name: str, content: str | None, told: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=f"{name} {told}"):
        read_side(tmp_path / name, 99, seed=1)


@pytest.mark.parametrize(
    ("crawled", "more", "told"),
    [
        (CRAWL[:30], [], "100 different ones or more are needed"),
        (CRAWL[:30], ["--keep", "0.5"], ""),
        (CRAWL[:10], ["--keep", "1"], "20 different crawl texts or more, found 10"),
        ([*CRAWL, GOOD[3]], [], "1 texts are both good and crawl"),
        (CRAWL, ["--keep", "1.5"], "it must be above 0 and at most 1"),
    ],
)
def test_too_few_texts_and_texts_on_both_sides_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], crawled: list[str], more: list[str], told: str
) -> None:
    good, crawl = write_rows(tmp_path / "good.jsonl", GOOD), write_rows(tmp_path / "crawl.jsonl", crawled)
    code = run_command(["corpus", "filter", str(good), str(crawl), "-o", str(tmp_path / "filter"), *more])
    said = capsys.readouterr().err
    assert (code == 2) == bool(told) == ("cygnet:" in said)
    assert told in " ".join(said.split())
    assert (tmp_path / "filter").exists() == (not told)


def test_a_folder_that_holds_other_files_is_not_replaced(good: Path, crawl: Path, tmp_path: Path) -> None:
    assert run_command(["corpus", "filter", str(good), str(crawl), "-o", str(good)]) == 2
    assert (good / "a.jsonl").exists()
    (tmp_path / "file").write_text("mine")
    assert run_command(["corpus", "filter", str(good), str(crawl), "-o", str(tmp_path / "file")]) == 2
    assert (tmp_path / "file").read_text() == "mine"
