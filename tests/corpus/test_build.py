import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from cygnet.corpus import build as corpus_build
from cygnet.corpus.build import build_corpus
from cygnet.corpus.config import CorpusConfig
from cygnet.corpus.document import Document
from cygnet.corpus.holdout import SPLITS, split_of, unit_of
from cygnet.corpus.pages import pages_recipe
from cygnet.corpus.parquet import read_documents, write_documents
from cygnet.corpus.pipeline.build import build
from cygnet.corpus.pipeline.config import DedupConfig
from cygnet.corpus.pipeline.engines.local import Local
from cygnet.corpus.pipeline.progress import silent
from cygnet.corpus.reading import python
from cygnet.errors import UserError

SMALL = CorpusConfig(
    sources=("docs", "code", "tasks"), task_documents=60, heldout_task_documents=5, dedup=DedupConfig(near=False)
)
MADE_UP = SMALL.model_copy(update={"sources": ("tasks",)})  # nothing has to be read for it


@pytest.fixture
def library(stdlib: Path) -> Path:
    """The small library with a module held out in each split, and one held-out function that training has too."""
    docstring = "Say in this docstring exactly what another module says, in enough words to tell."
    shared = f'def same(x):\n    """{docstring}"""\n    return x\n'
    own = 'def {0}_{1}(x):\n    """What {0} does for the {1} time."""\n    return [x, "{0}", {1}]\n\n\n'
    for name in ("struct", "sched"):  # one is held out for validation, the other for test
        (stdlib / f"{name}.py").write_text("".join(own.format(name, number) for number in range(5)) + shared)
    (stdlib / "shared.py").write_text(shared.replace("same", "other"))
    return stdlib


@pytest.fixture
def pages(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a recipe reads of that library."""
    monkeypatch.setattr(python, "stdlib_folder", lambda: library)
    recipe = pages_recipe(SMALL.model_copy(update={"sources": ("docs", "code")}), {})
    assert recipe
    build(recipe, tmp_path, tmp_path / "pages", Local(1), silent)
    return tmp_path / "pages"


def test_the_corpus_is_three_parquet_files_and_their_statistics(pages: Path, tmp_path: Path) -> None:
    stats = build_corpus(SMALL, tmp_path / "corpus", seed=1, pages=pages)
    assert json.loads((tmp_path / "corpus" / "stats.json").read_text()) == stats
    kept = {split: list(read_documents(tmp_path / "corpus" / f"{split}.parquet")) for split in SPLITS}
    assert stats["documents"] == sum(len(documents) for documents in kept.values())
    assert stats["by_split"]["test"]["bytes"] == sum(len(document.text.encode()) for document in kept["test"])
    assert {unit_of(document) for document in kept["validation"] if not document.keys} == {"struct"}
    assert {unit_of(document) for document in kept["test"] if not document.keys} == {"sched"}
    assert all(split_of(unit) == "train" for document in kept["train"] if (unit := unit_of(document)))
    assert len({document.id for documents in kept.values() for document in documents}) == stats["documents"]
    assert {source: len(samples) for source, samples in stats["samples"].items()} == {"docs": 3, "code": 3, "tasks": 3}
    schema = pq.read_schema(tmp_path / "corpus" / "train.parquet")
    assert schema.names == ["id", "source", "text", "origin", "keys"]


def test_everything_read_is_kept_or_counted_under_a_rule(pages: Path, tmp_path: Path) -> None:
    stats = build_corpus(SMALL, tmp_path / "corpus", seed=1, pages=pages)
    for counts in stats["by_source"].values():
        assert counts["read"] == counts["documents"] + sum(counts["dropped"].values())
        assert counts["documents"] == sum(split["documents"] for split in counts["splits"].values())
    code = stats["by_source"]["code"]["dropped"]
    # `same` of sched equals that of struct, and one of them has the docstring of shared's `other`
    assert (code["overlaps_training"], code["exact_duplicate"]) == (1, 1)
    assert (code["not_utf8"], code["not_python"], code["mostly_data"]) == (1, 1, 1)


def test_the_same_seed_gives_the_same_bytes(pages: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        build_corpus(SMALL, tmp_path / name, seed=1, pages=pages)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_a_leaking_exercise_stops_the_build_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def leaking(split: str, *_settings: object) -> list[Document]:
        return [Document(f"sheet for {split}", "tasks", f"Q for {split}", "addition", ("addition 1 1",))]

    monkeypatch.setattr(corpus_build, "task_documents", leaking)
    with pytest.raises(UserError, match="exercises are also in training: addition 1 1"):
        build_corpus(MADE_UP, tmp_path / "corpus", seed=1)
    assert not (tmp_path / "corpus").exists()


def test_own_texts_are_one_more_source(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "notes.md").write_text("\n\n".join(f"Note {number}: " + f"about {number} " * 60 for number in range(400)))
    config = SMALL.model_copy(update={"sources": (), "text_folder": str(own)})
    recipe = pages_recipe(config, {})
    assert recipe
    build(recipe, Path(), tmp_path / "pages", Local(1), silent)
    stats = build_corpus(config, tmp_path / "corpus", seed=1, pages=tmp_path / "pages")
    assert stats["by_source"]["own"]["splits"]["train"]["documents"] > 300
    assert stats["by_source"]["own"]["splits"]["validation"]["documents"] > 0


def test_a_corpus_without_held_out_documents_is_refused(tmp_path: Path) -> None:
    folder = built(tmp_path / "built")
    write_documents(folder / "validation.parquet", [])
    with pytest.raises(UserError, match="no validation documents"):
        build_corpus(CorpusConfig(sources=(), built=str(folder)), tmp_path / "corpus", seed=1)
    assert not (tmp_path / "corpus").exists()


def test_sources_that_must_be_read_are_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="build its pages first"):
        build_corpus(CorpusConfig(sources=("docs", "tasks")), tmp_path / "corpus", seed=1)


def test_a_recipe_that_reads_nothing_has_no_pages() -> None:
    assert pages_recipe(CorpusConfig(sources=("tasks",)), {}) is None


def test_what_a_recipes_models_are_asked_is_not_read(tmp_path: Path) -> None:
    own, asked = tmp_path / "own", tmp_path / "asked.jsonl"
    own.mkdir()
    question = "Which of the seven swans that Ada counted on the frozen lake was the last to leave in March?"
    notes = [f"Note {number} is about {' '.join(str(number + word) for word in range(60))}." for number in range(400)]
    (own / "notes.txt").write_text("\n\n".join([*notes, question]))
    asked.write_text(json.dumps({"prompt": [{"role": "user", "content": question}]}) + "\n")
    recipe = pages_recipe(SMALL.model_copy(update={"sources": (), "text_folder": str(own)}), {"test": asked})
    assert recipe
    stats = build(recipe, Path(), tmp_path / "pages", Local(1), silent, part=True)
    assert stats["by_source"]["own"]["dropped"] == {"contaminated": 1}


def test_the_config_refuses_what_it_does_not_know() -> None:
    for wrong in ({"sources": ["books"]}, {"task_documents": 0}, {"folder": "x"}):
        with pytest.raises(ValidationError):
            CorpusConfig(**wrong)


def built(folder: Path, source: str = "swans") -> Path:
    """A corpus as `cygnet corpus build` leaves it, of three documents."""
    for split in SPLITS:
        text = " ".join(f"{split}{number}" for number in range(20))
        document = Document(f"{source}/00000/{split}", source, text, f"https://swans.test/{split}")
        folder.mkdir(exist_ok=True)
        write_documents(folder / f"{split}.parquet", [document])
    of_source = {"read": 5, "skipped": {"empty": 1}, "dropped": {"empty": 1}, "kept": 3, "bytes": 90, "weight": 1.0}
    (folder / "stats.json").write_text(json.dumps({"by_source": {source: of_source}}))
    return folder


def test_a_corpus_that_was_built_joins_in_its_own_splits(tmp_path: Path) -> None:
    config = MADE_UP.model_copy(update={"built": str(built(tmp_path / "built"))})
    stats = build_corpus(config, tmp_path / "corpus", seed=1)
    assert stats["by_source"]["swans"]["documents"] == 3
    assert stats["by_source"]["swans"]["dropped"] == {"empty": 2}  # skipped and dropped, by rules of one name
    for split in SPLITS:
        found = [row for row in read_documents(tmp_path / "corpus" / f"{split}.parquet") if row.source == "swans"]
        assert [row.origin for row in found] == [f"https://swans.test/{split}"]


def test_a_source_of_a_built_corpus_can_not_be_called_like_our_own(tmp_path: Path) -> None:
    config = MADE_UP.model_copy(update={"built": str(built(tmp_path / "built", "docs"))})
    with pytest.raises(UserError, match="are taken. Rename it"):
        build_corpus(config, tmp_path / "corpus", seed=1)


def test_a_runs_own_corpus_is_none_that_was_built(tmp_path: Path) -> None:
    build_corpus(MADE_UP, tmp_path / "run", seed=1)
    config = MADE_UP.model_copy(update={"built": str(tmp_path / "run")})
    with pytest.raises(UserError, match="no stats.json of `cygnet corpus build`: by_source.tasks.skipped"):
        build_corpus(config, tmp_path / "corpus", seed=1)
    assert not (tmp_path / "corpus").exists()
