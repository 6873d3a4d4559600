import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from cygnet.corpus.holdout import check_heldout
from cygnet.corpus.parquet import read_documents
from cygnet.corpus.pipeline import task as tasks
from cygnet.corpus.pipeline.build import build
from cygnet.corpus.pipeline.engines.local import Local
from cygnet.corpus.pipeline.load import load_corpus_recipe
from cygnet.corpus.pipeline.look import chosen, documents
from cygnet.corpus.pipeline.progress import silent
from cygnet.errors import UserError
from cygnet.files import read_json

Seen = list[tuple[str, int, int]]


def run(path: Path, *settings: str, out: str = "corpus") -> tuple[dict[str, Any], Seen]:
    seen: Seen = []
    recipe = load_corpus_recipe(path, settings)
    stats = build(recipe, path.parent, path.parent / out, Local(1), lambda *said: seen.append(said))
    return stats, seen


def done(seen: Seen) -> set[str]:
    """Stages in which something was done."""
    first: dict[str, int] = {}
    for stage, number, _ in seen:
        first.setdefault(stage, number)
    return {stage for stage, number, all_ in seen if number == all_ and first[stage] < all_}


def fates(corpus: Path) -> dict[str, str | None]:
    return {row["url"]: row["dropped"] for row in documents(corpus)}


def test_every_text_is_kept_or_dropped_by_a_named_rule(source: Callable[..., Path]) -> None:
    path = source('[quality]\npreset = "gopher"\n', more=("Too short.", "Viel zu kurz.", "{}"))
    with (path.parent / "part0.jsonl").open("a") as file:
        file.write('{"no": "text"}\nno json\n')
    stats, _ = run(path)
    swans = stats["by_source"]["swans"]
    assert swans["read"] == 125
    assert sum(swans["skipped"].values()) == 2
    assert swans["texts"] == 123 == swans["kept"] + sum(swans["dropped"].values())
    assert swans["dropped"]["gopher_too_few_words"] == 3
    kept = list(chosen(documents(path.parent / "corpus"), dropped=False))
    assert len(kept) == stats["kept"]


def test_what_is_kept_is_what_a_recipe_trains_on(source: Callable[..., Path]) -> None:
    path = source()
    stats, _ = run(path)
    splits = {name: list(read_documents(path.parent / "corpus" / f"{name}.parquet")) for name in stats["by_split"]}
    assert sum(map(len, splits.values())) == stats["kept"] == 120
    assert all(splits.values())
    addresses = [{document.origin for document in found} for found in splits.values()]
    assert len(set.union(*addresses)) == sum(map(len, addresses))


def test_the_first_of_equal_texts_stays_across_shards(source: Callable[..., Path]) -> None:
    path = source()
    first = json.loads((path.parent / "part0.jsonl").read_text().splitlines()[0])
    near = first["text"].replace("swan", "goose", 1)
    with (path.parent / "part2.jsonl").open("a") as file:
        for number, text in enumerate((first["text"] + "  \n", near)):
            file.write(json.dumps({"text": text, "url": f"https://swans.test/again/{number}"}) + "\n")
    run(path)
    corpus = path.parent / "corpus"
    assert fates(corpus)["https://swans.test/again/0"] == "exact_duplicate"
    assert fates(corpus)["https://swans.test/again/1"] == "near_duplicate"
    assert fates(corpus)[first["url"]] is None
    again = next(row for row in documents(corpus) if row["url"] == "https://swans.test/again/0")
    original = next(row for row in documents(corpus) if row["url"] == first["url"])
    assert again["detail"] == f"of {original['id']}"


def test_a_dropped_text_does_not_take_its_duplicate_along(source: Callable[..., Path]) -> None:
    """A duplicate of something that a rule drops is judged by itself: here both fall, but by the rule."""
    path = source('[quality]\npreset = "gopher"\n', more=("Too short.", "Too short."))
    stats, _ = run(path)
    assert stats["by_source"]["swans"]["dropped"] == {"gopher_too_few_words": 2}


def test_a_source_may_have_rules_of_its_own(source: Callable[..., Path]) -> None:
    path = source('[quality]\npreset = "gopher"\nby_source = {notes = "none"}\n')
    (path.parent / "notes.jsonl").write_text(json.dumps({"text": "Too short."}) + "\n")
    notes = "sources.notes={kind='jsonl', path='notes.jsonl'}"
    stats, _ = run(path, notes)
    assert stats["by_source"]["notes"]["kept"] == 1
    with pytest.raises(UserError, match=r"notes: none of its 1 texts is kept.*gopher_too_few_words"):
        run(path, notes, "quality.by_source={}")
    with pytest.raises(UserError, match="there is no source 'note'"):
        run(path, notes, "quality.by_source={note='none'}")


def test_a_source_without_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "corpus.toml"
    path.write_text('[sources.notes]\nkind = "folder"\npath = "notes"\n')
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.txt").write_text(" \n")
    (tmp_path / "notes/b.png").touch()
    with pytest.raises(UserError, match=r"none of them falls into train"):
        run(path)
    with pytest.raises(UserError, match=r"source notes holds no text\. Skipped: empty \(1\), other_file_type \(1\)\."):
        build(load_corpus_recipe(path, ()), tmp_path, tmp_path / "corpus", Local(1), silent, part=True)


@pytest.mark.parametrize("kind", ["folder", "texts"])
def test_files_may_have_names_that_are_not_utf8(tmp_path: Path, kind: str) -> None:
    path, notes = tmp_path / "corpus.toml", tmp_path / "notes"
    path.write_text(f'[sources.notes]\nkind = "{kind}"\npath = "notes"\n')
    notes.mkdir()
    try:
        (notes / os.fsdecode(b"\xe9t\xe9.txt")).write_text("A swan swims over a calm lake.")
    except OSError:
        pytest.skip("the names of files are UTF-8 here")
    (notes / os.fsdecode(b"\xe9.csv")).touch()
    recipe = load_corpus_recipe(path, ())
    stats = build(recipe, tmp_path, tmp_path / "corpus", Local(1), silent, part=True)
    assert stats == read_json(tmp_path / "corpus/stats.json")
    (row,) = documents(tmp_path / "corpus")
    assert r"\udce9t\udce9.txt" in row["url"]
    assert stats["by_source"]["notes"]["skipped"] == {"other_file_type": 1}


def test_what_belongs_together_is_held_out_together(source: Callable[..., Path]) -> None:
    path = source()
    rows = [{"text": f"Page {number} of a book.", "book": f"book {number % 50}"} for number in range(500)]
    (path.parent / "books.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = "columns={text='text', unit='book'}"
    run(path, f"sources.books={{kind='jsonl', path='books.jsonl', {columns}}}", "heldout=0.1", "dedup.near=false")
    splits = [
        {row.origin for row in read_documents(path.parent / "corpus" / f"{split}.parquet") if row.source == "books"}
        for split in ("train", "validation", "test")
    ]
    assert all(splits)
    assert sum(map(len, splits)) == len(set.union(*splits)) == 50


def test_a_changed_rule_measures_nothing_again(source: Callable[..., Path]) -> None:
    short = (
        "The old swan swims over the calm lake, and people have bread for that bird in spring.\n"
        "Its young follow behind, grey and loud, until summer turns to autumn.\n"
        "Then all of them leave to find warmer water."
    )
    path = source('[quality]\npreset = "gopher"\n', more=(short,))
    stats, first = run(path)
    assert stats["by_source"]["swans"]["dropped"] == {"gopher_too_few_words": 1}
    assert done(first) >= {"read", "tag", "judge", "finish"}
    _, second = run(path)
    assert done(second) == set()
    stats, third = run(path, "bounds.gopher_too_few_words=10", "bounds.gopher_hashes=off")
    assert done(third) == {"judge", "duplicates", "finish"}
    assert stats["by_source"]["swans"]["dropped"] == {}


def test_a_changed_file_is_read_again_and_no_other(source: Callable[..., Path]) -> None:
    path = source()
    run(path)
    with (path.parent / "part1.jsonl").open("a") as file:
        file.write(json.dumps({"text": "One more swan.", "url": "https://swans.test/new"}) + "\n")
    stats, seen = run(path)
    assert ("read", 2, 3) in seen
    assert stats["kept"] == 121


def test_evaluation_questions_are_not_trained_on(source: Callable[..., Path]) -> None:
    question = "Which of the seven swans that Ada counted on the frozen lake was the last to leave in March?"
    path = source('evaluation = {quiz = "quiz.jsonl"}', more=(f"A quiz began.\n{question}\nNobody knew.",))
    (path.parent / "quiz.jsonl").write_text(json.dumps({"question": question}) + "\n")
    stats, _ = run(path)
    assert stats["by_source"]["swans"]["dropped"] == {"contaminated": 1}
    assert stats["contaminated"]["quiz"]["texts"] == 1
    (path.parent / "quiz.jsonl").unlink()
    with pytest.raises(UserError, match=r"quiz\.jsonl does not exist"):
        run(path)


def test_personal_data_is_replaced_and_counted(source: Callable[..., Path]) -> None:
    path = source('pii = ["email"]', more=("Write to ada.swan@lake.org about the young birds.",))
    stats, _ = run(path)
    assert stats["by_source"]["swans"]["replaced"] == {"email": 1}
    row = next(row for row in documents(path.parent / "corpus") if "more/0" in row["url"])
    assert "<email>" in row["text"]
    assert row["edits"] == {"email": 1}


def test_languages_that_are_not_wanted_go(source: Callable[..., Path]) -> None:
    german = "Die Schwäne ziehen im Winter nicht fort, sondern bleiben auf dem See, solange er nicht zugefroren ist."
    path = source('[language]\nkeep = ["en"]\n', more=(german,))
    run(path)
    assert fates(path.parent / "corpus")["https://swans.test/more/0"] == "language"


def test_lines_of_every_page_are_taken_out(source: Callable[..., Path]) -> None:
    path = source()
    for part in path.parent.glob("part*.jsonl"):
        rows = [json.loads(line) for line in part.read_text().splitlines()]
        part.write_text("".join(json.dumps(row | {"text": f"Home News About\n{row['text']}"}) + "\n" for row in rows))
    stats, _ = run(path)
    rows = list(documents(path.parent / "corpus"))
    assert all("Home News About" not in row["text"] for row in rows)
    assert [row["edits"] for row in rows] == [{"repeated_line": 1}] * 120
    assert stats["removed_lines"]["swans.test"]["lines"] == 120


def test_a_corpus_of_nothing_is_refused_with_the_reason(source: Callable[..., Path]) -> None:
    path = source('bounds = {gopher_too_few_words = 1000}\n[quality]\npreset = "gopher"\n')
    with pytest.raises(UserError, match=r"0 of 120 texts are kept.*gopher_too_few_words \(120\)"):
        run(path)
    assert not (path.parent / "corpus" / "stats.json").exists()


def test_a_page_that_is_there_more_than_once_is_in_one_split(source: Callable[..., Path]) -> None:
    path = source()
    part = path.parent / "part0.jsonl"
    rows = [json.loads(line) for line in part.read_text().splitlines()]
    for number, row in enumerate(rows):
        row["url"] = f"https://swans.test/{number % 10}"
    part.write_text("".join(json.dumps(row) + "\n" for row in rows))
    stats, _ = run(path)
    splits = [
        {row.origin for row in read_documents(path.parent / "corpus" / f"{split}.parquet")}
        for split in stats["by_split"]
    ]
    assert sum(map(len, splits)) == len(set.union(*splits)) == 10 + 80


def test_texts_that_have_no_address_but_one_name_are_held_out_each_by_itself(source: Callable[..., Path]) -> None:
    """Otherwise a recipe would find the name on both sides and refuse the corpus."""
    path = source()
    for part in path.parent.glob("part*.jsonl"):
        rows = [json.loads(line) | {"url": "book"} for line in part.read_text().splitlines()]
        part.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(path)
    train, *heldout = (
        list(read_documents(path.parent / "corpus" / f"{split}.parquet")) for split in ("train", "validation", "test")
    )
    assert all(heldout)
    checked = check_heldout(train, [document for split in heldout for document in split])
    assert checked["heldout_units"] == sum(map(len, heldout))


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("weights = {geese = 1.0}", "every source has one"),
        ("bounds = {gopher_too_few_words = 1.0}", "say which, as quality.preset"),
        ('bounds = {gopher_few_words = 1.0}\n[quality]\npreset = "gopher"', "Did you mean"),
        ('pii = ["names"]', "pii"),
        ("[dedupe]\nnear = false", "dedup"),
        ('[quality.by_source]\nswans = "gofer"', "quality.by_source.swans: should be 'gopher', .* or 'none'"),
    ],
)
def test_mistakes_are_told_before_anything_is_read(source: Callable[..., Path], extra: str, message: str) -> None:
    path = source(extra + "\n")
    with pytest.raises(UserError, match=message):
        run(path)
    assert not (path.parent / "corpus" / "work").exists()


def test_what_was_cut_off_is_done_again_and_nothing_else(
    source: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = source()
    straight, _ = run(path, out="straight")
    write, left = tasks.write_json, [5]

    def stop(target: Path, value: Any) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        write(target, value)

    with monkeypatch.context() as patch:
        patch.setattr(tasks, "write_json", stop)
        with pytest.raises(KeyboardInterrupt):
            run(path)
    stats, seen = run(path)
    assert ("read", 3, 3) in seen
    assert "read" not in done(seen)
    assert stats == straight
    assert same_files(path.parent / "straight", path.parent / "corpus")


def same_files(one: Path, other: Path) -> Sequence[str]:
    """The parquet files of two corpora, which must be equal byte for byte."""
    names = sorted(path.relative_to(one).as_posix() for path in one.rglob("*.parquet"))
    assert names == sorted(path.relative_to(other).as_posix() for path in other.rglob("*.parquet"))
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    return names


def test_a_failed_build_is_no_whole_corpus(source: Callable[..., Path]) -> None:
    path = source()
    run(path)
    assert (path.parent / "corpus" / "stats.json").is_file()
    with pytest.raises(UserError, match="none of them falls into"):
        run(path, 'language.keep=["de"]')
    assert not (path.parent / "corpus" / "stats.json").exists()


def test_sources_that_are_no_more_leave_nothing(source: Callable[..., Path]) -> None:
    path = source(files=3)
    run(path)
    (path.parent / "part2.jsonl").unlink()
    stats, _ = run(path)
    assert len(list(documents(path.parent / "corpus"))) == stats["read"] == 80
    assert len(list((path.parent / "corpus" / "work" / "texts").rglob("*.parquet"))) == 2


def test_what_is_near_a_contaminated_text_stays(source: Callable[..., Path]) -> None:
    path = source('evaluation = {quiz = "quiz.jsonl"}')
    first = json.loads((path.parent / "part0.jsonl").read_text().splitlines()[0])
    question = "Which of the seven swans that Ada counted on the frozen lake was the last to leave in March?"
    (path.parent / "quiz.jsonl").write_text(json.dumps({"question": question}) + "\n")
    lines = (path.parent / "part0.jsonl").read_text().splitlines()
    lines[0] = json.dumps(first | {"text": f"{first['text']}\n{question}"})
    (path.parent / "part0.jsonl").write_text("\n".join(lines) + "\n")
    with (path.parent / "part2.jsonl").open("a") as file:
        file.write(json.dumps(first | {"url": "https://swans.test/clean"}) + "\n")
    run(path)
    assert fates(path.parent / "corpus")[first["url"]] == "contaminated"
    assert fates(path.parent / "corpus")["https://swans.test/clean"] is None


def test_the_split_does_not_depend_on_where_the_files_lie(source: Callable[..., Path], tmp_path: Path) -> None:
    path = source()
    run(path)
    other = tmp_path / "elsewhere"
    other.mkdir()
    for file in (path, *path.parent.glob("part*.jsonl")):
        (other / file.name).write_text(file.read_text())
    run(other / path.name)
    assert (other / "corpus" / "test.parquet").read_bytes() == (path.parent / "corpus" / "test.parquet").read_bytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("evaluation.quiz=no.jsonl",), r"evaluation\.quiz: .*no\.jsonl does not exist"),
        (("quality.filter=none",), "is not a folder"),
        (("weights.swans=0.5",), "must sum to 1"),
    ],
)
def test_what_is_missing_is_told_before_anything_is_read(
    source: Callable[..., Path], settings: tuple[str, ...], message: str
) -> None:
    path = source()
    with pytest.raises(UserError, match=message):
        run(path, *settings)
    assert not (path.parent / "corpus" / "work").exists()


def test_a_source_can_not_read_the_corpus_itself(source: Callable[..., Path]) -> None:
    path = source()
    run(path)
    path.write_text(
        path.read_text().replace('kind = "jsonl"', 'kind = "parquet"').replace("part*.jsonl", "**/*.parquet")
    )
    with pytest.raises(UserError, match="which is in the corpus itself"):
        run(path)


def test_a_sources_name_is_fit_for_a_folder(source: Callable[..., Path]) -> None:
    path = source()
    path.write_text(path.read_text().replace("[sources.swans]", '[sources."../swans"]'))
    with pytest.raises(UserError, match="can't be called"):
        run(path)
