"""Which training texts hold passages of evaluation sets: runs of 13 words (GPT-3, arXiv:2005.14165, appendix C.1).

Words are lower-case and without punctuation (`dedup.shingles.words`). An item of fewer than 13 words is found where it
stands whole: from the begin of a line or sentence to the end of one. Items under 5 words ("All of the above.") would be
found everywhere and prove nothing: they are not looked for, and counted. Where a character is a word (as in Chinese),
13 are about a sentence. Hashes find, the words themselves decide.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from cygnet.corpus.dedup.shingles import Hashes, WordHashes, finish, hashes_of, longer, words
from cygnet.corpus.evaluation_texts import evaluation_texts
from cygnet.corpus.holdout import PASSAGE_WORDS
from cygnet.errors import UserError
from cygnet.files import write_aside

SHORTEST_ITEM = 5  # words

_FORMAT = 1
_SENTENCE_END = re.compile(r"[.!?]\s+|[。！？\n]+")
_KNOWN_WORDS = 1 << 20  # hashes of words that are remembered between texts


class Hit(NamedTuple):
    """A passage that a text shares with an evaluation set: its name, the number of the item there, the words."""

    task: str
    item: int
    passage: str


@dataclass(frozen=True)
class Task:
    """One evaluation set in an index: its items, how many of them are short or not looked for, and its fingerprint."""

    name: str
    items: int
    short: int
    too_short: int
    fingerprint: str


@dataclass(frozen=True)
class _Index:
    """One row for every passage [M], sorted by hash, and the items it points into [I] as words joined by spaces."""

    hashes: Hashes
    items: NDArray[np.uint32]
    offsets: NDArray[np.uint32]  # of the passage in the item, in words
    item_tasks: NDArray[np.uint32]
    item_numbers: NDArray[np.uint32]
    item_words: NDArray[np.uint32]  # how many
    item_ends: NDArray[np.uint64]
    item_bytes: NDArray[np.uint8]

    def words_of(self, item: int) -> list[bytes]:
        start = int(self.item_ends[item - 1]) if item else 0
        return self.item_bytes[start : int(self.item_ends[item])].tobytes().split(b" ")


class Decontaminator:
    """An index over evaluation sets. Make one with `build` or `load`."""

    def __init__(self, tasks: tuple[Task, ...], index: _Index) -> None:
        self.tasks = tasks
        self._index = index
        self._short = {length for length in index.item_words.tolist() if length < PASSAGE_WORDS}
        bits = min(26, max(10, (16 * len(index.hashes)).bit_length()))
        self._shift = np.uint64(64 - bits)
        self._maybe = np.zeros(1 << bits, bool)  # whether any passage's hash begins with these bits
        self._maybe[index.hashes >> self._shift] = True
        self._known = WordHashes()

    @property
    def fingerprints(self) -> dict[str, str]:
        """name → fingerprint of each set that is in the index, as `load` wants them."""
        return {task.name: task.fingerprint for task in self.tasks}

    @classmethod
    def build(cls, sets: Mapping[str, Path | Iterable[str]]) -> Self:
        """Index evaluation sets, given by name as a file (see `evaluation_texts`) or as the texts of their items.

        Raises:
            UserError: when no set is given, a file can't be read, or a set has nothing that could be looked for.
        """
        if not sets:
            raise UserError(
                "Decontamination needs at least one evaluation set. Name those that the model is tested on."
            )
        builder = _Builder()
        tasks = tuple(builder.add(name, evaluation_texts(name, texts)) for name, texts in sorted(sets.items()))
        return cls(tasks, builder.index())

    def hits(self, text: str) -> list[Hit]:
        """What a text shares with the sets: the first passage of every item that it has words of, in their order."""
        found_words = words(text)
        if len(self._known) > _KNOWN_WORDS:
            self._known.clear()
        candidates = list(self._candidates(hashes_of(found_words, self._known)))
        if not candidates:
            return []
        edges = _edges(text)
        hits: dict[tuple[str, int], tuple[int, Hit]] = {}
        for start, length, row in candidates:
            item, offset = int(self._index.items[row]), int(self._index.offsets[row])
            passage = found_words[start : start + length]
            if length < PASSAGE_WORDS and not {start, start + length} <= edges:
                continue
            if passage == self._index.words_of(item)[offset : offset + length]:
                task = self.tasks[self._index.item_tasks[item]].name
                hit = Hit(task, int(self._index.item_numbers[item]), b" ".join(passage).decode(errors="replace"))
                hits.setdefault((task, hit.item), (start, hit))
        return [hit for _, hit in sorted(hits.values())]

    def _candidates(self, single: Hashes) -> Iterator[tuple[int, int, int]]:
        """(first word, words, row of the index) wherever hashes are equal."""
        grown = single.copy()
        for length in range(1, PASSAGE_WORDS + 1):
            if length > 1:
                grown = longer(grown, single, length - 1)
            if length == PASSAGE_WORDS or length in self._short:
                yield from ((start, length, row) for start, row in self._rows(finish(grown, length)))

    def _rows(self, hashes: Hashes) -> Iterator[tuple[int, int]]:
        """(place, row of the index) for every hash that the index has."""
        places = np.flatnonzero(self._maybe[hashes >> self._shift])
        rows = np.searchsorted(self._index.hashes, hashes[places])
        found = self._index.hashes[np.minimum(rows, len(self._index.hashes) - 1)] == hashes[places]
        for place, row in zip(places[found].tolist(), rows[found].tolist(), strict=True):
            end = int(np.searchsorted(self._index.hashes, hashes[place], "right"))
            yield from ((place, equal) for equal in range(row, end))

    def save(self, path: Path) -> None:
        """Write the index as one safetensors file; equal indexes are equal files."""
        described = {"format": _FORMAT, "tasks": [vars(task) for task in self.tasks]}
        with write_aside(path) as temporary:
            save_file(vars(self._index), temporary, metadata={"decontamination": json.dumps(described)})

    @classmethod
    def load(cls, path: Path, fingerprints: Mapping[str, str]) -> Self:
        """Read an index that was built for just these sets: name → fingerprint.

        Raises:
            UserError: when it is missing, is no index, or was built for other sets or other contents of them.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                described = json.loads((file.metadata() or {}).get("decontamination", "{}"))
                if described.get("format") != _FORMAT:
                    raise UserError(f"{path} is not a decontamination index of this version. Build it anew.")
                tasks = tuple(Task(**task) for task in described["tasks"])
                index = _Index(**{name: file.get_tensor(name) for name in _Index.__dataclass_fields__})
        except FileNotFoundError as error:
            raise UserError(f"{path} does not exist. Build the decontamination index first.") from error
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} can't be read as a decontamination index: {error}. Build it anew.") from error
        found = {task.name: task.fingerprint for task in tasks}
        if not len(index.hashes) or found != dict(fingerprints):
            raise UserError(f"{path} {_difference(found, fingerprints)}. Build the decontamination index anew.")
        return cls(tasks, index)


def _difference(found: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    told = [f"lacks {name}" for name in sorted(wanted.keys() - found.keys())]
    told += [f"holds {name}, which is not asked for" for name in sorted(found.keys() - wanted.keys())]
    told += [f"was built for another {name}" for name in sorted(found.keys() & wanted) if found[name] != wanted[name]]
    return ", ".join(told) or "is empty"


class _Builder:
    def __init__(self) -> None:
        self._known = WordHashes()
        self._rows: list[NDArray[np.uint64]] = []  # [n, 3]: hash, item, offset
        self._items: list[bytes] = []
        self._tasks: list[int] = []
        self._numbers: list[int] = []
        self._added = 0

    def add(self, name: str, texts: Iterable[str]) -> Task:
        """Index one set. A passage that stands in several of its items counts for the first of them."""
        digest = hashlib.sha256()
        lengths: list[int] = []
        seen: set[int] = set()
        for number, text in enumerate(texts):
            found = words(text)
            digest.update(b" ".join(found) + b"\n")
            lengths.append(len(found))
            if len(found) >= SHORTEST_ITEM:
                self._add_item(number, found, seen)
        if not seen:
            raise UserError(
                f"Evaluation set {name}: none of its {len(lengths)} texts has {SHORTEST_ITEM} words. "
                "Check the file and which of its fields are named."
            )
        self._added += 1
        short = sum(SHORTEST_ITEM <= length < PASSAGE_WORDS for length in lengths)
        too_short = sum(length < SHORTEST_ITEM for length in lengths)
        return Task(name, len(lengths), short, too_short, digest.hexdigest())

    def _add_item(self, number: int, found: list[bytes], seen: set[int]) -> None:
        single = hashes_of(found, self._known)
        length = min(len(found), PASSAGE_WORDS)
        grown = single.copy()
        for place in range(1, length):
            grown = longer(grown, single, place)
        hashes = finish(grown, length)
        new = [offset for offset, value in enumerate(hashes.tolist()) if value not in seen]
        seen.update(hashes.tolist())
        rows = np.empty((len(new), 3), np.uint64)
        rows[:, 0], rows[:, 1], rows[:, 2] = hashes[new], len(self._items), new
        self._rows.append(rows)
        self._items.append(b" ".join(found))
        self._tasks.append(self._added)
        self._numbers.append(number)

    def index(self) -> _Index:
        rows = np.concatenate(self._rows)
        hashes, items, offsets = rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))].T
        return _Index(
            np.ascontiguousarray(hashes),
            items.astype(np.uint32),
            offsets.astype(np.uint32),
            np.array(self._tasks, np.uint32),
            np.array(self._numbers, np.uint32),
            np.array([item.count(b" ") + 1 for item in self._items], np.uint32),
            np.array(list(accumulate(map(len, self._items))), np.uint64),
            np.frombuffer(b"".join(self._items), np.uint8),
        )


def _edges(text: str) -> set[int]:
    """How many words stand before each begin and end of a line or sentence."""
    return {0, *accumulate(len(words(piece)) for piece in _SENTENCE_END.split(text))}


def tally(hits: Iterable[Iterable[Hit]]) -> dict[str, dict[str, Any]]:
    """Hits of many texts by task: texts hit, items found, and the passages found most often with their counts."""
    texts: Counter[str] = Counter()
    items: dict[str, set[int]] = {}
    passages: dict[str, Counter[str]] = {}
    for found in hits:
        of_text = list(found)
        texts.update({hit.task for hit in of_text})
        for hit in of_text:
            items.setdefault(hit.task, set()).add(hit.item)
            passages.setdefault(hit.task, Counter())[hit.passage] += 1
    return {
        task: {
            "texts": texts[task],
            "items": len(items[task]),
            "passages": dict(sorted(passages[task].items(), key=lambda entry: (-entry[1], entry[0]))[:5]),
        }
        for task in sorted(texts)
    }
