"""The index on disk: one SQLite file with files, chunks, an FTS5 index of their words, and their vectors.

Every change is one transaction, so the file is whole whenever the process is killed. Threads may share a `Store`.
"""

import json
import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import UserError
from cygnet.techniques.retrieval.chunks import UNSPACED, Piece

_FORMAT = "cygnet index 2"
_BUSY_SECONDS = 60.0

# `words` keeps no text of its own: it reads the chunks', and the triggers keep it in step. To it each character of
# Chinese or Japanese is a word.
_SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, name TEXT NOT NULL, sha256 TEXT NOT NULL);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY, file INTEGER NOT NULL REFERENCES files, row INTEGER,
    titles TEXT NOT NULL, text TEXT NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL
);
CREATE INDEX chunks_of_file ON chunks (file);
CREATE TABLE vectors (chunk INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(titles, text, content='chunks', content_rowid='id', tokenize='porter unicode61');
CREATE TRIGGER chunk_added AFTER INSERT ON chunks BEGIN
    INSERT INTO words(rowid, titles, text) VALUES (new.id, spaced(new.titles), spaced(new.text));
END;
CREATE TRIGGER chunk_removed AFTER DELETE ON chunks BEGIN
    INSERT INTO words(words, rowid, titles, text)
    VALUES ('delete', old.id, spaced(old.titles), spaced(old.text));
    DELETE FROM vectors WHERE chunk = old.id;
END;
"""


@dataclass(frozen=True)
class Settings:
    """What an index was made with, for good: where its embedder is ("none": without), what that calls itself, and the
    size of chunks."""

    embedder: str
    embedder_name: str
    words: int
    overlap: int


@dataclass(frozen=True)
class Chunk:
    """A passage and where it is from.

    source: the file, by the folder that was indexed; path: where the file was then. row: its line in a JSON Lines file.
    start, end: characters of the file's text, of the page's visible text in HTML, of the row's text in JSON Lines.
    """

    id: int
    source: str
    path: str
    row: int | None
    titles: tuple[str, ...]
    text: str
    start: int
    end: int

    @property
    def citation(self) -> str:
        """Where the passage is, in words: "notes/rivers.md, characters 120 to 480 (Rivers › The Rhine)"."""
        row = "" if self.row is None else f", row {self.row}"
        titles = f" ({' › '.join(self.titles)})" if self.titles else ""
        return f"{self.source}{row}, characters {self.start} to {self.end}{titles}"


@dataclass(frozen=True)
class File:
    """A file to be entered: where it is, its name in citations, its hash, and its chunks, each with its row."""

    path: str
    name: str
    sha256: str
    pieces: Sequence[tuple[int | None, Piece]]


class Store:
    """An index file. Raises UserError, from every method too, when the file can't be used."""

    def __init__(self, path: Path, settings: Settings | None = None) -> None:
        """Open an index; with `settings`, make a new one."""
        self.path = path
        self._lock = threading.RLock()
        if settings is None and not path.is_file():
            raise UserError(f"{path} is not an index: make one with `cygnet index FOLDER --out {path}`.")
        with self._explained():
            self._database = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
            self._database.create_function("spaced", 1, _spaced, deterministic=True)
        try:
            if settings is not None:
                self._create(settings)
            self.settings = self._read_settings()
        except BaseException:
            self._database.close()
            raise

    def files(self) -> dict[str, str]:
        """Path to SHA-256 of every file in the index."""
        return dict(self._all("SELECT path, sha256 FROM files"))

    def put_files(self, files: Iterable[File]) -> None:
        """Enter files with their chunks, each in place of what the index had of it, all of them or none."""
        with self._changing():
            for file in files:
                self._drop(file.path)
                number = self._database.execute(
                    "INSERT INTO files (path, name, sha256) VALUES (?, ?, ?)", (file.path, file.name, file.sha256)
                ).lastrowid
                self._database.executemany(
                    "INSERT INTO chunks (file, row, titles, text, start, stop) VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        (number, row, json.dumps(piece.titles, ensure_ascii=False), piece.text, piece.start, piece.end)
                        for row, piece in file.pieces
                    ),
                )

    def drop_files(self, paths: Iterable[str]) -> None:
        """Take files and their chunks out."""
        with self._changing():
            for path in paths:
                self._drop(path)

    def count(self) -> tuple[int, int]:
        """How many chunks there are, and how many of them have vectors."""
        [counts] = self._all("SELECT (SELECT count(*) FROM chunks), (SELECT count(*) FROM vectors)")
        return int(counts[0]), int(counts[1])

    def without_vectors(self, most: int) -> list[Chunk]:
        """At most so many of the chunks that have no vector yet."""
        found = self._all(
            "SELECT id FROM chunks WHERE id NOT IN (SELECT chunk FROM vectors) ORDER BY id LIMIT ?", (most,)
        )
        return self.chunks([row[0] for row in found])

    def put_vectors(self, chunks: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Enter the vectors [N, D] of N chunks; those of chunks that are gone by now are left out."""
        rows = [(vector.astype("<f2").tobytes(), chunk) for chunk, vector in zip(chunks, vectors, strict=True)]
        with self._changing():
            self._database.executemany(
                "INSERT OR REPLACE INTO vectors (vector, chunk) SELECT ?, id FROM chunks WHERE id = ?", rows
            )

    def vectors(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids [N] of all chunks with vectors, and the vectors [N, D]."""
        rows = self._all("SELECT chunk, vector FROM vectors ORDER BY chunk")
        if len({len(row[1]) for row in rows}) > 1:
            raise UserError(f"{self.path} has vectors of different lengths: its embedder has changed. Make it anew.")
        ids = np.array([row[0] for row in rows], dtype=np.int64)
        halves = np.frombuffer(b"".join(row[1] for row in rows), dtype="<f2")
        return ids, halves.astype(np.float32).reshape(len(rows), -1 if rows else 0)

    def version(self) -> int:
        """A number that changes when another process, or another `Store`, changes the file."""
        return int(self._all("PRAGMA data_version")[0][0])

    def search_words(self, match: str, most: int) -> list[tuple[int, float]]:
        """The chunks that match an FTS5 expression best, with their BM25 scores (larger is better)."""
        return [
            (int(chunk), -float(score))
            for chunk, score in self._all(
                "SELECT rowid, bm25(words) AS score FROM words WHERE words MATCH ? ORDER BY score, rowid LIMIT ?",
                (match, most),
            )
        ]

    def chunks(self, ids: Sequence[int]) -> list[Chunk]:
        """The chunks with these ids, in this order; without those that are gone by now."""
        found: dict[int, Chunk] = {}
        for chunk in ids:
            for name, path, row, titles, text, start, stop in self._all(
                "SELECT name, path, row, titles, text, start, stop FROM chunks JOIN files "
                "ON files.id = chunks.file WHERE chunks.id = ?",
                (chunk,),
            ):
                found[chunk] = Chunk(chunk, name, path, row, tuple(json.loads(titles)), text, start, stop)
        return list(found.values())

    def close(self) -> None:
        """Close the file. It may be called twice."""
        with self._lock:
            self._database.close()

    def _create(self, settings: Settings) -> None:
        with self._explained():
            self._database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA}")
            rows = [("format", _FORMAT), *((name, str(value)) for name, value in vars(settings).items())]
            self._database.executemany("INSERT INTO settings VALUES (?, ?)", rows)
            self._database.commit()

    def _read_settings(self) -> Settings:
        [tables] = self._all("SELECT count(*) FROM sqlite_master WHERE name = 'settings'")
        found = dict(self._all("SELECT name, value FROM settings")) if tables[0] else {}
        if found.get("format") != _FORMAT:
            raise UserError(f"{self.path} is not an index that this version of cygnet reads: make it anew.")
        return Settings(found["embedder"], found["embedder_name"], int(found["words"]), int(found["overlap"]))

    def _drop(self, path: str) -> None:
        self._database.execute("DELETE FROM chunks WHERE file IN (SELECT id FROM files WHERE path = ?)", (path,))
        self._database.execute("DELETE FROM files WHERE path = ?", (path,))

    def _all(self, query: str, values: Sequence[object] = ()) -> list[tuple]:  # type: ignore[type-arg]
        with self._lock, self._explained():
            return self._database.execute(query, values).fetchall()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock, self._explained(), self._database:
            yield

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise UserError(
                f"the index {self.path} can't be used: {error}. See that there is room and permission to write; "
                "if the file is damaged or of another kind, delete it and make the index anew."
            ) from error


def _spaced(text: str) -> str:
    return re.sub(f"[{UNSPACED}]", r" \g<0> ", text)
