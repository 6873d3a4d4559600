"""What is held out of training, decided before anything is read, and the check that it stayed out.

Whole units are held out: a top-level module with everything in it, a topic of the language reference, a stretch of the
user's own text, a page of the web; for exercises, each exercise by its identity.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cygnet.corpus.document import Document
from cygnet.errors import UserError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

PASSAGE_WORDS = 13  # the length GPT-3 and its successors take as evidence of contamination (arXiv:2005.14165, C.1)

_NEVER_HELD_OUT = {"builtins"}  # str, list and dict are what an assistant for Python must have read about
HELD_OUT_SHARE = 0.04  # of a recipe's corpus, for each of validation and test


def split_of(unit: str, share: float = HELD_OUT_SHARE) -> Split:
    """The split of a top-level module, topic or stretch of text, by a hash of its name alone."""
    return "train" if unit in _NEVER_HELD_OUT else _by_hash(f"module:{unit}", share)


def split_of_text(text: str, share: float) -> Split:
    """The split of a text that is held out by itself, by a hash of what it says, or of a page by one of its address."""
    return _by_hash(f"text:{text}", share)


def split_of_key(key: str) -> Split:
    """The split of an exercise, by a hash of its identity: 4 % validation, 4 % test."""
    return _by_hash(f"exercise:{key}", HELD_OUT_SHARE)


def unit_of(document: Document) -> str | None:
    """What a document is held out with: its top-level module, topic, stretch or page; None for exercise sheets."""
    return None if document.keys else document.origin


def _by_hash(name: str, share: float) -> Split:
    position = int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8]) / 2**64
    if position < share:
        return "validation"
    return "test" if position < 2 * share else "train"


def overlapping(train: Iterable[Document], heldout: Iterable[Document]) -> dict[str, str]:
    """Held-out documents that share a run of 13 words with training: id → the passage (exact, no hash collisions).

    Words are what whitespace separates. Exercise sheets are not compared: their wording is a template, and what makes
    an exercise is its key. A text of fewer than 13 words has no such run; whole equal texts are checked apart.
    """
    owners = _owners(heldout)
    found: dict[str, str] = {}
    for document in train:
        for owner, passage in _shared(document, owners):
            found.setdefault(owner, passage)
    return found


def _owners(heldout: Iterable[Document]) -> dict[str, list[str]]:
    """Passage → the documents that have it."""
    owners: dict[str, list[str]] = {}
    for document in heldout:
        if not document.keys:
            for passage in _passages(document.text):
                owners.setdefault(passage, []).append(document.id)
    return owners


def _shared(document: Document, owners: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """(held-out document, passage) for each passage that this one shares with it."""
    if not document.keys:
        for passage in _passages(document.text):
            for owner in owners.get(passage, ()):
                yield owner, passage


def _passages(text: str) -> Iterator[str]:
    words = text.split()
    for start in range(len(words) - PASSAGE_WORDS + 1):
        yield " ".join(words[start : start + PASSAGE_WORDS])


def check_heldout(train: Iterable[Document], heldout: Iterable[Document]) -> dict[str, int | str]:
    """Make sure that nothing held out is in training, in any of four ways; return what was compared.

    Only what is held out is kept in memory.

    Raises:
        UserError: naming the modules, exercise keys, texts or passages that are on both sides.
    """
    heldout = list(heldout)
    units = {unit for document in heldout if (unit := unit_of(document))}
    keys = {key for document in heldout for key in document.keys}
    texts = {document.text: document.id for document in heldout}
    owners = _owners(heldout)
    documents, leaks = 0, _Leaks()
    for document in train:
        documents += 1
        leaks.units |= {unit_of(document)} & units
        leaks.keys |= set(document.keys) & keys
        if document.text in texts:
            leaks.texts.append(f"{texts[document.text]} = {document.id}")
        for owner, passage in _shared(document, owners):
            leaks.passages.setdefault(owner, passage)
    leaks.refuse()
    return {
        "result": "nothing held out is in training",
        "train_documents": documents,
        "heldout_documents": len(heldout),
        "heldout_units": len(units),
        "heldout_exercises": len(keys),
        "passage_words": PASSAGE_WORDS,
    }


@dataclass
class _Leaks:
    """What is on both sides."""

    units: set[str | None] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)
    passages: dict[str, str] = field(default_factory=dict)  # by held-out document

    def refuse(self) -> None:
        _refuse("modules or pages", sorted(str(unit) for unit in self.units))
        _refuse("exercises", sorted(self.keys))
        _refuse("texts", self.texts)
        passages = [f"{name}: {passage!r}" for name, passage in self.passages.items()]
        _refuse(f"passages of {PASSAGE_WORDS} words", passages)


def _refuse(what: str, offenders: list[str]) -> None:
    if offenders:
        shown = "; ".join(offenders[:5]) + (f"; and {len(offenders) - 5} more" if len(offenders) > 5 else "")
        raise UserError(f"Held-out {what} are also in training: {shown}. Remove them from one side and build again.")
