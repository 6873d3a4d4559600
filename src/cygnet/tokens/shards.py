"""Token shards: a split is one flat file of ids that is mapped into memory, with document boundaries beside it.

- `<split>.bin`: token ids, uint16 (uint32 for vocabularies above 65,536)
- `<split>.offsets.npy`: int64 [n + 1]; document i is tokens[offsets[i]:offsets[i + 1]]
- `<split>.sources.npy`: uint8 [n]; each document's place in index.json's "source_names"
- `<split>.ids.parquet`: one column, `id`: the names of the documents in the corpus, in the same order
- `index.json`: sizes, hashes, source names, dtype and the tokenizer's hash
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from cygnet.errors import UserError
from cygnet.files import read_json, sha256_of, write_json

Ids = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]


class TokenizedDocument(NamedTuple):
    """A document's source, its token ids with begin and end marks, how many bytes of text they stand for, its name."""

    source: str
    ids: Sequence[int] | Ids
    text_bytes: int
    id: str = ""


class ShardWriter:
    """Writes the splits of one tokenized corpus into an existing folder; `close` writes the index that opens them."""

    def __init__(self, folder: Path, source_names: Sequence[str], vocab_size: int, tokenizer_hash: str) -> None:
        if len(source_names) > 256:
            raise UserError(f"a corpus can have 256 sources at most, not {len(source_names)}.")
        self._folder = folder
        self._places = {name: place for place, name in enumerate(source_names)}
        self._dtype = id_dtype(vocab_size)
        self._index: dict[str, Any] = {
            "dtype": self._dtype.name,
            "vocab_size": vocab_size,
            "tokenizer_hash": tokenizer_hash,
            "source_names": list(source_names),
            "splits": {},
            "sha256": {},
        }

    def write_split(self, split: str, documents: Iterable[TokenizedDocument]) -> dict[str, Any]:
        """Write one split as the documents come; return {tokens, documents, bytes, by_source}."""
        offsets, sources, names = [0], [], []
        by_source: dict[str, dict[str, int]] = {}
        with (self._folder / f"{split}.bin").open("wb") as handle:
            for document in documents:
                handle.write(np.asarray(document.ids, dtype=self._dtype).tobytes())
                offsets.append(offsets[-1] + len(document.ids))
                sources.append(self._places[document.source])
                names.append(document.id)
                counts = by_source.setdefault(document.source, {"tokens": 0, "documents": 0, "bytes": 0})
                counts["tokens"] += len(document.ids)
                counts["documents"] += 1
                counts["bytes"] += document.text_bytes
        np.save(self._folder / f"{split}.offsets.npy", np.array(offsets, dtype=np.int64), allow_pickle=False)
        np.save(self._folder / f"{split}.sources.npy", np.array(sources, dtype=np.uint8), allow_pickle=False)
        pq.write_table(pa.table({"id": pa.array(names, pa.string())}), self._folder / f"{split}.ids.parquet")
        sizes = {key: sum(counts[key] for counts in by_source.values()) for key in ("tokens", "documents", "bytes")}
        summary: dict[str, Any] = {**sizes, "by_source": by_source}
        self._index["splits"][split] = summary
        for name in (f"{split}.bin", f"{split}.offsets.npy", f"{split}.sources.npy", f"{split}.ids.parquet"):
            self._index["sha256"][name] = sha256_of(self._folder / name)
        return summary

    def close(self, **more: Any) -> dict[str, Any]:
        """Write index.json, with `more` beside what the splits hold, and return it."""
        index = {**self._index, **more}
        write_json(self._folder / "index.json", index)
        return index


def id_dtype(vocab_size: int) -> np.dtype[Any]:
    """The smallest unsigned type for ids below `vocab_size`, little-endian."""
    return np.dtype("<u2" if vocab_size <= 2**16 else "<u4")


@dataclass(frozen=True)
class Split:
    """One split, mapped into memory: nothing is read before it is used.

    tokens: [tokens] ids. offsets: int64 [n + 1]. sources: uint8 [n], places in `source_names`.
    """

    tokens: Ids
    offsets: npt.NDArray[np.int64]
    sources: npt.NDArray[np.uint8]
    source_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sources)

    def document(self, index: int) -> Ids:
        """Document `index` (0 to n - 1) as a read-only view of its ids."""
        if not 0 <= index < len(self):
            raise IndexError(f"document {index} of {len(self)}")
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]


def open_split(folder: Path, split: str, tokenizer_hash: str | None = None) -> Split:
    """Map one split into memory.

    Raises:
        UserError: when the folder or split isn't there, a file doesn't have the size the index says, or
            `tokenizer_hash` is given and the shards were made with another tokenizer.
    """
    index = read_json(folder / "index.json")
    if split not in index["splits"]:
        raise UserError(f"{folder} has no split {split!r}; it has {', '.join(index['splits'])}.")
    if tokenizer_hash is not None and index["tokenizer_hash"] != tokenizer_hash:
        raise UserError(
            f"{folder} was tokenized with tokenizer {index['tokenizer_hash'][:12]}, but the one in use is "
            f"{tokenizer_hash[:12]}. Tokenize the corpus again, or use the tokenizer it was made with."
        )
    expected = index["splits"][split]
    offsets = _load(folder / f"{split}.offsets.npy", expected["documents"] + 1)
    sources = _load(folder / f"{split}.sources.npy", expected["documents"])
    tokens = _map(folder / f"{split}.bin", np.dtype(index["dtype"]), expected["tokens"])
    if offsets[-1] != len(tokens):
        raise UserError(f"{folder / f'{split}.offsets.npy'} doesn't belong to its tokens. Tokenize the corpus again.")
    return Split(tokens, offsets, sources, tuple(index["source_names"]))


def read_ids(folder: Path, split: str) -> list[str]:
    """The names of a split's documents, in the order of its tokens.

    Raises:
        UserError: when the shards were written by a version that did not name documents, or the file is damaged.
    """
    path = folder / f"{split}.ids.parquet"
    if not path.is_file():
        raise UserError(f"{folder} doesn't say which documents it holds: it is older than that. Tokenize again.")
    try:
        names: list[str] = pq.read_table(path, columns=["id"])["id"].to_pylist()
    except pa.ArrowException as error:
        raise UserError(f"{path} is damaged: {error}. Tokenize the corpus again.") from error
    if len(names) != read_json(folder / "index.json")["splits"][split]["documents"]:
        raise UserError(f"{path} doesn't belong to its tokens. Tokenize the corpus again.")
    return names


def _load(path: Path, count: int) -> Any:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read: {error}. Tokenize the corpus again.") from error
    if len(array) != count:
        raise UserError(f"{path} has {len(array)} entries where index.json says {count}. Tokenize the corpus again.")
    return array


def _map(path: Path, dtype: np.dtype[Any], count: int) -> Any:
    size = path.stat().st_size if path.is_file() else 0
    if size != count * dtype.itemsize:
        raise UserError(f"{path} has {size} bytes where index.json says {count * dtype.itemsize}. Tokenize again.")
    # an empty file can't be mapped
    return np.memmap(path, dtype=dtype, mode="r") if count else np.empty(0, dtype)
