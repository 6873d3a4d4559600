"""Searching an index: by words (BM25), by meaning (cosine of vectors), and both rankings fused.

BM25: Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework". Fusion: Cormack, Clarke and Büttcher 2009,
"Reciprocal Rank Fusion Outperforms Condorcet and Individual Rank Learning Methods".
"""

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from cygnet.errors import UserError
from cygnet.lm.embedder import Embedder
from cygnet.techniques.retrieval.build import embedder_of
from cygnet.techniques.retrieval.chunks import UNSPACED
from cygnet.techniques.retrieval.store import Chunk, Settings, Store

_DEEP = 100  # how far each ranking is read for the fusion
_FUSION = 60  # k of the paper
_MOST_WORDS = 200  # of a query; SQLite reads no endless expressions


@dataclass(frozen=True)
class Hit:
    """A chunk that was found.

    score: of the fused ranking, Σ 1 / (60 + rank), good for comparison with other hits of the same query alone.
    bm25, cosine: of the rankings it is in; None where it isn't among the first 100, or the index has no vectors.
    """

    chunk: Chunk
    score: float
    bm25: float | None
    cosine: float | None


class Searcher(Protocol):
    """Whatever finds passages."""

    def search(self, query: str, k: int = 5) -> Sequence[Hit]:
        """The k best hits, the best first."""


class Index:
    """An index file, opened for searching. Threads may share it; it notices when the file is brought up to date.

    embedder: where the embedder is now, if not where it was when the index was made. Close it, or use it in a `with`
    block.

    Raises UserError when the file is no index, or its embedder is not there or another one.
    """

    def __init__(self, path: Path, embedder: str | None = None) -> None:
        self._store = Store(path)
        try:
            self._embedder: Embedder | None = embedder_of(self._store, embedder)
        except BaseException:
            self._store.close()
            raise
        self._lock = threading.Lock()
        self._version: int | None = None
        self._load()

    @property
    def settings(self) -> Settings:
        """What the index was made with."""
        return self._store.settings

    def search(self, query: str, k: int = 5) -> list[Hit]:
        """The k best chunks by words and, if the index has vectors, by meaning; of equal ones the earlier.

        Raises UserError when the query or the index is empty.
        """
        if k < 1:
            raise UserError(f"k is {k}: ask for at least one passage.")
        if not query.strip():
            raise UserError("the query is empty: say what to look for.")
        k = min(k, max(1, self.count()[0]))  # there are no more, and SQLite counts to 2^63
        deep = max(k, _DEEP)
        by_words, by_meaning = dict(self.by_words(query, deep)), dict(self.by_meaning(query, deep))
        scores = fuse([by_words, by_meaning])
        if not scores and not self.count()[0]:
            raise UserError(f"{self._store.path} is empty: index some files first.")
        best = sorted(scores, key=lambda chunk: (-scores[chunk], chunk))[:k]
        return [
            Hit(chunk, scores[chunk.id], by_words.get(chunk.id), by_meaning.get(chunk.id))
            for chunk in self._store.chunks(best)
        ]

    def by_words(self, query: str, most: int = _DEEP) -> list[tuple[int, float]]:
        """(id, BM25 score) of chunks that have a word of the query, the best first. Words count by their stems.

        Of Chinese and Japanese every two characters in a row count as a word.
        """
        words = list(dict.fromkeys(_words(query.casefold())))[:_MOST_WORDS]
        return self._store.search_words(" OR ".join(f'"{word}"' for word in words), most) if words else []

    def by_meaning(self, query: str, most: int = _DEEP) -> list[tuple[int, float]]:
        """(id, cosine) of the chunks nearest to the query, exactly; none when the index has no vectors."""
        if self._embedder is None:
            return []
        with self._lock:
            self._load()
            ids, vectors = self._ids, self._vectors
        if not len(ids):
            return []
        [vector] = self._embedder.embed([query])
        if len(vector) != vectors.shape[1]:
            raise UserError(f"{self._embedder.name} gives {len(vector)} dimensions, the index has {vectors.shape[1]}.")
        cosines = vectors @ vector
        nearest = np.argpartition(-cosines, min(most, len(ids)) - 1)[:most]
        nearest = nearest[np.lexsort((ids[nearest], -cosines[nearest]))]
        return [(int(ids[place]), float(cosines[place])) for place in nearest]

    def count(self) -> tuple[int, int]:
        """How many chunks there are, and how many of them have vectors."""
        return self._store.count()

    def close(self) -> None:
        """Close the file and the embedder. It may be called twice."""
        self._store.close()
        if self._embedder is not None:
            self._embedder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _load(self) -> None:
        """Read the vectors, unless they are those we have."""
        version = self._store.version()
        if version != self._version:
            self._version = version
            self._ids, self._vectors = self._store.vectors()


def _words(query: str) -> Iterator[str]:
    """Words to look for, and pairs of characters where words aren't told apart."""
    for found in re.findall(rf"[{UNSPACED}]+|[^\W{UNSPACED}]+", query):
        if len(found) > 1 and re.match(f"[{UNSPACED}]", found):
            yield from map(" ".join, pairwise(found))
        else:
            yield found


def fuse(rankings: Iterable[Iterable[int]]) -> dict[int, float]:
    """Reciprocal rank fusion: for each item Σ 1 / (60 + its rank) over the rankings it is in; ranks begin with 1."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, 1):
            scores[item] = scores.get(item, 0.0) + 1 / (_FUSION + rank)
    return scores
