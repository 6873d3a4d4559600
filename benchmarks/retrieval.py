"""Which store for retrieval: SQLite (FTS5 and an exact search over vectors) or LanceDB, measured in turn.

python benchmarks/retrieval.py [CHUNKS] [ROUNDS]

LanceDB is no dependency of cygnet: `pip install lancedb` first, or its rows are left out, which is said. The texts are
invented words by Zipf's law, the vectors points around 200 centers; a query is a few words, and a point beside the
vector, of one chunk. Times are those of the processor, of all threads together, so that a busy machine matters little;
medians over all queries and rounds.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

# Before what reads them is imported. With a single thread LanceDB waits for itself.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
os.environ |= dict.fromkeys(("LANCE_CPU_THREADS", "LANCE_IO_THREADS", "TOKIO_WORKER_THREADS"), "2")

import numpy as np

from cygnet.techniques.retrieval.chunks import Piece
from cygnet.techniques.retrieval.store import File, Settings, Store

DIMENSIONS, NEAREST, QUERIES = 384, 10, 40

Measured = dict[str, list[float]]


class Corpus:
    """Texts of about 500 characters [N], their vectors [N, D] of length 1, and queries of both kinds."""

    def __init__(self, chunks: int) -> None:
        rng = np.random.default_rng(1)
        words = np.array(
            ["".join(rng.choice(list("abcdefghijklmnoprstuv"), rng.integers(3, 10))) for _ in range(20_000)]
        )
        rarity = 1 / np.arange(1, len(words) + 1)
        drawn = rng.choice(words, (chunks, 75), p=rarity / rarity.sum())
        self.texts = [" ".join(row) for row in drawn]
        centers = rng.normal(size=(200, DIMENSIONS))
        self.vectors = unit(centers[rng.integers(0, 200, chunks)] + rng.normal(size=(chunks, DIMENSIONS)))
        asked = rng.choice(chunks, QUERIES, replace=False)
        self.words = [list(rng.choice(drawn[chunk], 4, replace=False)) for chunk in asked]
        self.points = unit(self.vectors[asked] + 0.02 * rng.normal(size=(QUERIES, DIMENSIONS)))
        self.nearest = [set(np.argsort(-(self.vectors @ point))[:NEAREST].tolist()) for point in self.points]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1, float32."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def timed(function: Callable[[], Any], found: list[float], scale: float = 1.0) -> Any:
    """What a function returns; the seconds it took, times `scale`, go into `found`."""
    began = time.process_time()
    result = function()
    found.append((time.process_time() - began) * scale)
    return result


def ask(search: Callable[[np.ndarray], Sequence[int]], corpus: Corpus, measured: Measured, name: str) -> None:
    """Milliseconds of every query by vector, and the share of the exact nearest ones that it finds."""
    hits = 0
    for point, nearest in zip(corpus.points, corpus.nearest, strict=True):
        hits += len(nearest & set(timed(partial(search, point), measured[f"{name}, ms"], 1e3)))
    measured[f"{name}, recall@{NEAREST}"].append(hits / NEAREST / QUERIES)


def sqlite(corpus: Corpus, folder: Path, measured: Measured) -> None:
    """What cygnet uses; and, for comparison, its vectors as a matrix in a file that is mapped into memory."""
    path = folder / "chunks.index"

    def build() -> Store:
        store = Store(path, Settings("none", "none", 150, 30))
        pieces = [(None, Piece((), text, 0, len(text))) for text in corpus.texts]
        store.put_files([File("texts", "texts", "", pieces)])
        for start in range(0, len(corpus.texts), 1_000):
            several = corpus.vectors[start : start + 1_000]
            store.put_vectors(range(start + 1, start + 1 + len(several)), several)
        return store

    timed(build, measured["build, s"]).close()
    measured["disk, MB"].append(path.stat().st_size / 1e6)
    store, (ids, matrix) = timed(lambda: (store := Store(path), store.vectors()), measured["open, ms"], 1e3)
    for words in corpus.words:
        match = " OR ".join(f'"{word}"' for word in words)
        timed(partial(store.search_words, match, NEAREST), measured["words, ms"], 1e3)
    ask(lambda point: (ids[nearest(matrix, point)] - 1).tolist(), corpus, measured, "vectors")
    store.close()
    for dtype in ("float32", "float16"):
        file = folder / f"{dtype}.npy"
        np.save(file, corpus.vectors.astype(dtype))
        mapped = np.load(file, mmap_mode="r")
        ask(
            lambda point, mapped=mapped: nearest(mapped, point).tolist(), corpus, measured, f"vectors mapped as {dtype}"
        )


def nearest(matrix: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Rows with the largest inner products, in no order."""
    return np.argpartition(-(matrix @ point.astype(matrix.dtype)), NEAREST)[:NEAREST]


def lance(corpus: Corpus, folder: Path, measured: Measured) -> None:
    """LanceDB with its own full-text index; vectors first searched exactly, then by an index with its defaults."""
    import lancedb
    import pyarrow as pa
    from lancedb.index import FTS, IvfPq

    def build() -> Any:
        flat = pa.FixedSizeListArray.from_arrays(pa.array(corpus.vectors.reshape(-1)), DIMENSIONS)
        ids = pa.array(range(len(corpus.texts)))
        data = pa.table({"id": ids, "text": pa.array(corpus.texts), "vector": flat})
        table = lancedb.connect(folder).create_table("chunks", data)
        table.create_index("text", config=FTS(with_position=False))
        return table

    def by_vector(point: np.ndarray) -> list[int]:
        found = table.search(point).distance_type("cosine").select(["id", "_distance"]).limit(NEAREST).to_arrow()
        return found["id"].to_pylist()

    timed(build, measured["build, s"])
    measured["disk, MB"].append(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6)
    table = timed(lambda: lancedb.connect(folder).open_table("chunks"), measured["open, ms"], 1e3)
    for words in corpus.words:
        query = table.search(" ".join(words), query_type="fts").select(["id", "_score"]).limit(NEAREST)
        timed(query.to_arrow, measured["words, ms"], 1e3)
    ask(by_vector, corpus, measured, "vectors")
    timed(partial(table.create_index, "vector", config=IvfPq(distance_type="cosine")), measured["vector index, s"])
    ask(by_vector, corpus, measured, "vectors by index")


def import_seconds(names: str) -> float:
    """To import modules in a fresh interpreter."""
    program = f"import time; began = time.process_time(); import {names}; print(time.process_time() - began)"
    return float(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout)


def main(chunks: int, rounds: int) -> None:
    """Print a table for each store."""
    stores = {"sqlite3, numpy": sqlite, "lancedb": lance}
    try:
        import lancedb
    except ImportError:
        del stores["lancedb"]
        print("LanceDB is not installed, so nothing is compared: pip install lancedb.")
    else:
        print(f"LanceDB {lancedb.__version__}")
    corpus = Corpus(chunks)
    print(f"{chunks:,} chunks, {DIMENSIONS} dimensions, {QUERIES} queries, {rounds} rounds in turn\n", flush=True)
    measured: dict[str, Measured] = {name: defaultdict(list) for name in stores}
    for _ in range(rounds):
        for name, measure in stores.items():
            measured[name]["import, s"].append(import_seconds(name))
            with tempfile.TemporaryDirectory() as folder:
                measure(corpus, Path(folder), measured[name])
    for name, values in measured.items():
        print(f"| {name} | median | least | most |\n| --- | ---: | ---: | ---: |")
        for what, numbers in values.items():
            cells = (statistics.median(numbers), min(numbers), max(numbers))
            print(f"| {what} | {' | '.join(f'{cell:,.3g}' for cell in cells)} |")
        print()


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    main(*given, *(20_000, 5)[len(given) :])
