import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.errors import UserError
from cygnet.techniques.retrieval import Index, build_index
from cygnet.techniques.retrieval.search import fuse
from cygnet.techniques.retrieval.store import Store


def test_words_are_found_by_their_stems_rare_ones_first(indexed) -> None:
    with indexed("A river and a lake.", "Two rivers flow.", "A swan swims on a river.", "Nothing.") as index:
        found = index.search("swimming in the RIVERS", 9)
        assert found[0].chunk.text == "A swan swims on a river."
        assert len(found) == 3
        assert all(hit.cosine is None and hit.bm25 > 0 for hit in found)
        assert index.search("heron") == []


def test_titles_are_searched_too(texts: Path, tmp_path: Path) -> None:
    build_index([texts], tmp_path / "n.index", progress=False)
    with Index(tmp_path / "n.index") as index:
        assert {hit.chunk.titles[-1] for hit in index.search("rivers", 9)} == {"The Rhine", "The Elbe"}


@pytest.mark.parametrize(
    "query", ['"', "AND OR NOT", "a* NEAR(b) ^c -d text:e", "'; DROP TABLE chunks; --", "(", "?", "word " * 2000]
)
def test_no_query_is_an_expression(indexed, query: str) -> None:
    with indexed("Here are a, b, c, d, e, and, or, not, near, text.") as index:
        index.search(query)
        assert index.count() == (1, 0)


def test_vectors_are_searched_exactly(texts: Path, tmp_path: Path, letters) -> None:
    build_index([texts], tmp_path / "n.index", embedder="letters", progress=False)
    with Index(tmp_path / "n.index") as index:
        found = index.by_meaning("zzzz owls", 9)
        chunks = [hit.chunk for hit in index.search("owls", 9)]
        vectors = letters.embed(["\n".join((" › ".join(chunk.titles), chunk.text)).strip() for chunk in chunks])
        [query] = letters.embed(["zzzz owls"])
    expected = {chunk.id: float(vector @ query) for chunk, vector in zip(chunks, vectors, strict=True)}
    assert [chunk for chunk, _ in found] == sorted(expected, key=lambda chunk: -expected[chunk])
    assert dict(found) == pytest.approx(expected, abs=1e-3)  # halves


def test_both_rankings_are_fused(texts: Path, tmp_path: Path, letters) -> None:
    build_index([texts], tmp_path / "n.index", embedder="letters", progress=False)
    with Index(tmp_path / "n.index") as index:
        hits = index.search("owls", 9)
        words, meaning = index.by_words("owls"), index.by_meaning("owls")
    assert len(hits) == 4
    for hit in hits:
        ranks = [
            [chunk for chunk, _ in ranking].index(hit.chunk.id) + 1
            for ranking in (words, meaning)
            if hit.chunk.id in dict(ranking)
        ]
        assert hit.score == pytest.approx(sum(1 / (60 + rank) for rank in ranks))
    assert hits[0].chunk.text.startswith("Owls")
    assert hits[0].bm25 is not None


def test_more_can_be_asked_for_than_the_rankings_are_read_by_default(indexed) -> None:
    with indexed(*(f"swan {number}" for number in range(120))) as index:
        assert len(index.search("swan", 200)) == 120


def test_an_open_index_sees_what_is_added(texts: Path, tmp_path: Path, letters) -> None:
    out = tmp_path / "n.index"
    build_index([texts], out, embedder="letters", progress=False)
    with Index(out) as index:
        (texts / "quiz.txt").write_text("zzzz zzzz")
        build_index([texts], out, progress=False)
        assert index.search("zzz", 1)[0].chunk.text == "zzzz zzzz"


def test_an_embedder_that_changed_its_size_is_noticed(texts: Path, tmp_path: Path, letters, monkeypatch) -> None:
    out = tmp_path / "n.index"
    build_index([texts], out, embedder="letters", progress=False)
    with Index(out) as index:
        monkeypatch.setattr(letters, "embed", lambda texts: np.ones((len(texts), 3), dtype=np.float32))
        with pytest.raises(UserError, match="3 dimensions, the index has 26"):
            index.search("owl")
    (texts / "more.txt").write_text("More.")
    build_index([texts], out, progress=False)
    with pytest.raises(UserError, match="different lengths"):
        Index(out)


def test_threads_may_share_an_index(texts: Path, tmp_path: Path, letters) -> None:
    build_index([texts], tmp_path / "n.index", embedder="letters", progress=False)
    found = []
    with Index(tmp_path / "n.index") as index:
        threads = [
            threading.Thread(target=lambda: found.append(index.search("swans", 1)[0].chunk.text)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == ["Swans are white birds that live on lakes."] * 8


def test_empty_queries_and_no_passages_are_refused(indexed) -> None:
    with indexed("Text.") as index:
        with pytest.raises(UserError, match="query is empty"):
            index.search(" \n")
        with pytest.raises(UserError, match="at least one"):
            index.search("text", 0)


def test_vectors_are_kept_as_halves(tmp_path: Path, texts: Path, letters) -> None:
    build_index([texts], tmp_path / "n.index", embedder="letters", progress=False)
    store = Store(tmp_path / "n.index")
    ids, vectors = store.vectors()
    store.close()
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), np.ones(len(ids)), atol=1e-3)


RANKING = st.lists(st.integers(0, 9), unique=True, max_size=8)


@given(st.lists(RANKING, max_size=3))
def test_fusion_ignores_scores_and_order_of_rankings_and_rewards_being_ahead(rankings: list[list[int]]) -> None:
    scores = fuse(rankings)
    assert scores == pytest.approx(fuse(reversed(rankings)))
    assert set(scores) == {item for ranking in rankings for item in ranking}
    for one in scores:
        for other in scores:
            if all(other not in r or (one in r and r.index(one) < r.index(other)) for r in rankings) and one != other:
                assert scores[one] > scores[other]
