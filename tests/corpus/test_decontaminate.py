"""What a text shares with evaluation sets is found, by the words and not by hashes; a wrong index is refused."""

import json
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from cygnet.corpus.decontaminate import Decontaminator, Hit, tally
from cygnet.corpus.dedup import shingles
from cygnet.corpus.dedup.shingles import words
from cygnet.errors import UserError

LONG = "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May."
SHORT = "Which river flows through Paris? Name it."
SETS = {"sums": [LONG, "42"], "places": [SHORT, "The Seine"]}


@pytest.fixture(scope="module")
def index() -> Decontaminator:
    return Decontaminator.build(SETS)


def test_thirteen_words_are_a_hit_and_twelve_are_not(index: Decontaminator) -> None:
    passage = LONG.split()
    assert index.hits("Once " + " ".join(passage[3:16]) + " done") == [
        Hit("sums", 0, "to 48 of her friends in april and then she sold half as")
    ]
    assert index.hits("Once " + " ".join(passage[3:15]) + " done") == []


def test_case_punctuation_and_line_breaks_do_not_hide_a_passage(index: Decontaminator) -> None:
    assert [hit.task for hit in index.hits(LONG.upper().replace(" ", "\n * "))] == ["sums"]


def test_a_short_item_is_found_only_whole_at_the_edges_of_lines_or_sentences(index: Decontaminator) -> None:
    expected = [Hit("places", 0, "which river flows through paris name it")]
    assert index.hits(f"A quiz! {SHORT} The Seine.") == expected
    assert index.hits("1.\nwhich river flows through\nParis? name it\nSeine") == expected
    assert index.hits("He asked which river flows through Paris? Name it.") == []
    assert index.hits("Which river flows through Paris? Name it and win.") == []


def test_items_under_five_words_are_counted_and_not_looked_for(index: Decontaminator) -> None:
    assert index.hits("The Seine\n42\n") == []
    assert {task.name: (task.items, task.short, task.too_short) for task in index.tasks} == {
        "places": (2, 1, 1),
        "sums": (2, 0, 1),
    }


def test_a_passage_of_two_sets_is_a_hit_for_both() -> None:
    index = Decontaminator.build({"a": [LONG], "b": ["Other words that nobody needs here.", LONG]})
    assert [(hit.task, hit.item) for hit in index.hits(LONG)] == [("a", 0), ("b", 1)]


def test_equal_hashes_of_other_words_are_no_hit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shingles, "xxh3_64_intdigest", lambda _: 7)
    index = Decontaminator.build({"sums": [LONG]})
    assert index.hits("one two three four five six seven eight nine ten eleven twelve thirteen") == []
    assert index.hits(LONG)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_it_finds_what_a_search_by_hand_finds(data: st.DataObject) -> None:
    word = st.sampled_from("a b".split())
    items = data.draw(st.lists(st.lists(word, min_size=13, max_size=20).map(" ".join), min_size=1, max_size=3))
    text = data.draw(st.lists(word, max_size=40).map(" ".join))
    passages = {tuple(item.split()[i : i + 13]) for item in items for i in range(len(item.split()) - 12)}
    found = words(text)
    by_hand = any(
        tuple(word.decode() for word in found[i : i + 13]) in passages for i in range(max(0, len(found) - 12))
    )
    assert bool(Decontaminator.build({"t": items}).hits(text)) == by_hand


def test_sets_are_read_from_files(tmp_path: Path) -> None:
    rows = [{"id": "q-1", "question": LONG, "choices": [{"text": SHORT}], "label": 1}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "b.parquet")
    (tmp_path / "c.txt").write_text(f"{LONG}\n{SHORT}\n")
    index = Decontaminator.build({path.suffix: path for path in tmp_path.iterdir()})
    assert [(hit.task, hit.item) for hit in index.hits(LONG)] == [(".jsonl", 1), (".parquet", 1), (".txt", 0)]
    assert {hit.task for hit in index.hits(SHORT)} == {".jsonl", ".parquet", ".txt"}


def test_an_index_comes_back_from_its_file_and_goes_to_other_processes(index: Decontaminator, tmp_path: Path) -> None:
    index.save(tmp_path / "index.safetensors")
    again = Decontaminator.load(tmp_path / "index.safetensors", index.fingerprints)
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "index.safetensors").read_bytes()
    for other in (again, pickle.loads(pickle.dumps(index))):  # noqa: S301 (our own bytes)
        assert other.tasks == index.tasks
        assert other.hits(f"{LONG}\n{SHORT}") == index.hits(f"{LONG}\n{SHORT}") != []


def test_an_index_for_other_sets_is_refused(index: Decontaminator, tmp_path: Path) -> None:
    path = tmp_path / "index.safetensors"
    index.save(path)
    changed = Decontaminator.build(SETS | {"sums": [LONG + " How many?", "42"]}).fingerprints
    with pytest.raises(UserError, match="was built for another sums. Build"):
        Decontaminator.load(path, changed)
    changed = Decontaminator.build({"sums": [LONG + " How many?"], "more": [LONG]}).fingerprints
    with pytest.raises(UserError, match="lacks more, holds places, which is not asked for, was built for another sums"):
        Decontaminator.load(path, changed)


def test_a_missing_or_strange_index_is_refused(tmp_path: Path) -> None:
    save_file({}, tmp_path / "empty")
    save_file({}, tmp_path / "half", metadata={"decontamination": '{"format": 1, "tasks": []}'})
    (tmp_path / "text").write_text("nothing")
    complaints = {"missing": "does not exist", "empty": "is not a", "half": "can't be read", "text": "can't be read"}
    for name, complaint in complaints.items():
        with pytest.raises(UserError, match=complaint):
            Decontaminator.load(tmp_path / name, {})


def test_sets_with_nothing_to_look_for_are_refused(tmp_path: Path) -> None:
    (tmp_path / "sums.jsonl").write_text('{"question": "2+2", "answer": "4"}\n')
    for sets, complaint in (
        ({}, "at least one evaluation set"),
        ({"sums": []}, "sums: none of its 0 texts"),
        ({"sums": tmp_path / "sums.jsonl"}, "sums: none of its 2 texts has 5 words"),
        ({"sums": tmp_path / "none.jsonl"}, "does not exist"),
        ({"sums": tmp_path / "none.parquet"}, "does not exist"),
        ({"sums": tmp_path / "sums.csv"}, r"no \.jsonl"),
        ({"sums": LONG}, "found one text"),
    ):
        with pytest.raises(UserError, match=complaint):
            Decontaminator.build(sets)


def test_hits_are_told_by_task(index: Decontaminator) -> None:
    told = tally(index.hits(text) for text in (LONG, f"{LONG}\n{SHORT}", "nothing"))
    assert told["sums"]["texts"] == 2
    assert told["sums"]["items"] == 1
    assert told["places"] == {"texts": 1, "items": 1, "passages": {"which river flows through paris name it": 1}}
