"""Weights of sources, and a learned filter: what corpus.toml says of them, and what comes of it."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from cygnet.corpus.mixtures import shares_of
from cygnet.corpus.pipeline.build import build
from cygnet.corpus.pipeline.engines.local import Local
from cygnet.corpus.pipeline.load import load_corpus_recipe
from cygnet.corpus.pipeline.look import chosen, documents
from cygnet.corpus.pipeline.progress import silent
from cygnet.corpus.quality.learned import train_filter
from cygnet.errors import UserError
from cygnet.files import read_jsonl

OTHER = '\n[sources.{}]\nkind = "jsonl"\npath = "part2.jsonl"\n'


def run(path: Path, *settings: str) -> dict:
    return build(load_corpus_recipe(path, settings), path.parent, path.parent / "corpus", Local(1), silent)


def test_weights_are_told_as_they_are_given(source: Callable[..., Path]) -> None:
    path = source("weights = {swans = 0.9, geese = 0.1}")
    path.write_text(path.read_text().replace("part*", "part[01]") + OTHER.format("geese"))
    weights = {name: found["weight"] for name, found in run(path)["by_source"].items()}
    assert weights == pytest.approx({"swans": 0.9, "geese": 0.1})


def test_a_mixture_by_its_name_wants_its_sources(source: Callable[..., Path]) -> None:
    path = source('weights = "gpt-3"')
    with pytest.raises(UserError, match="without one: swans; of no source: books1, books2, common-crawl"):
        run(path)
    names = list(shares_of("gpt-3"))
    text = path.read_text().partition("[sources")[0] + "[dedup]\nexact = false\nnear = false\n"
    path.write_text(text + "".join(OTHER.format(name) for name in names))
    recipe = load_corpus_recipe(path)
    assert recipe.weights == shares_of("gpt-3")
    assert {name: found["weight"] for name, found in run(path)["by_source"].items()} == pytest.approx(recipe.weights)


@pytest.mark.parametrize("stated", ['"gpt-4"', "{swans = 0.0}", '{swans = "all"}', "3"])
def test_what_is_no_weights(source: Callable[..., Path], stated: str) -> None:
    with pytest.raises(UserError, match=r"weights: should be (a table of shares|shares above 0)"):
        load_corpus_recipe(source(f"weights = {stated}"))


def test_a_filter_keeps_what_reaches_its_own_threshold_unless_told_otherwise(source: Callable[..., Path]) -> None:
    rng, good = random.Random(2), "therefore observed measured explains water stone".split()
    books = [f"{number} {' '.join(rng.choices(good, k=50))}" for number in range(40)]
    path = source('[quality]\nfilter = "filter"\n', more=tuple(books[:3]))
    rows = [row for part in sorted(path.parent.glob("part*.jsonl")) for row in read_jsonl(part)]
    found = train_filter(books[3:], [row["text"] for row in rows if row["text"] not in books], 1, keep=0.5)
    found.save(path.parent / "filter")
    assert found.threshold != 0.5
    dropped = run(path)["by_source"]["swans"]["dropped"]
    scores = [row["quality"] for row in documents(path.parent / "corpus")]
    assert dropped == {"learned_filter": sum(score < found.threshold for score in scores)}
    assert 0 < dropped["learned_filter"] < 123
    kept = {row["text"] for row in chosen(documents(path.parent / "corpus"), dropped=False)}
    assert kept >= set(books[:3])
    assert not run(path, "quality.least=0")["by_source"]["swans"]["dropped"]


def test_a_damaged_filter_is_told_before_anything_is_read(source: Callable[..., Path]) -> None:
    path = source('[quality]\nfilter = "filter"\n')
    (path.parent / "filter").mkdir()
    (path.parent / "filter" / "filter.json").write_text("{}")
    with pytest.raises(UserError, match="not a whole quality filter"):
        run(path)
    assert not (path.parent / "corpus").exists()
