"""What is held out of training, decided before anything is read, and the check that it stayed out.

Whole units are held out, never single documents: a top-level module with everything in it, a topic of the language
reference, a stretch of the user's own text; for exercises, each exercise by its identity.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Literal

from cygnet.corpus.document import Document
from cygnet.errors import UserError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

PASSAGE_WORDS = 13  # the length GPT-3 and its successors take as evidence of contamination (arXiv:2005.14165, C.1)

_NEVER_HELD_OUT = {"builtins"}  # str, list and dict are what an assistant for Python must have read about
_HELD_OUT_SHARE = 0.04  # for each of validation and test


def split_of(unit: str) -> Split:
    """The split of a top-level module, topic or stretch of text, by a hash of its name alone."""
    return "train" if unit in _NEVER_HELD_OUT else _by_hash(f"module:{unit}")


def split_of_key(key: str) -> Split:
    """The split of an exercise, by a hash of its identity: 4 % validation, 4 % test."""
    return _by_hash(f"exercise:{key}")


def unit_of(document: Document) -> str | None:
    """What a document is held out with: its top-level module, its topic or stretch; None for exercise sheets."""
    if document.keys:
        return None
    return document.origin.partition(".")[0] if document.source in ("docs", "code") else document.origin


def _by_hash(name: str) -> Split:
    position = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64
    if position < _HELD_OUT_SHARE:
        return "validation"
    return "test" if position < 2 * _HELD_OUT_SHARE else "train"


def overlapping(train: Iterable[Document], heldout: Iterable[Document]) -> dict[str, str]:
    """Held-out documents that share a run of 13 words with training: id → the passage (exact, no hash collisions).

    Words are what whitespace separates. Exercise sheets are not compared: their wording is a template, and what makes
    an exercise is its key. A text of fewer than 13 words has no such run; whole equal texts are checked apart.
    """
    owners: dict[str, list[str]] = {}
    for document in heldout:
        if not document.keys:
            for passage in _passages(document.text):
                owners.setdefault(passage, []).append(document.id)
    found: dict[str, str] = {}
    for document in train:
        if not document.keys:
            for passage in _passages(document.text):
                for owner in owners.get(passage, ()):
                    found.setdefault(owner, passage)
    return found


def _passages(text: str) -> Iterator[str]:
    words = text.split()
    for start in range(len(words) - PASSAGE_WORDS + 1):
        yield " ".join(words[start : start + PASSAGE_WORDS])


def check_heldout(train: Iterable[Document], heldout: Iterable[Document]) -> dict[str, int | str]:
    """Make sure that nothing held out is in training, in any of four ways; return what was compared.

    Raises:
        UserError: naming the modules, exercise keys, texts or passages that are on both sides.
    """
    train, heldout = list(train), list(heldout)
    units = {unit for document in train if (unit := unit_of(document))}
    keys = {key for document in train for key in document.keys}
    texts = {document.text: document.id for document in train}
    _refuse("modules", sorted({unit for document in heldout if (unit := unit_of(document)) in units and unit}))
    _refuse("exercises", sorted({key for document in heldout for key in document.keys} & keys))
    same_text = [f"{document.id} = {texts[document.text]}" for document in heldout if document.text in texts]
    _refuse("texts", same_text)
    passages = overlapping(train, heldout)
    _refuse(f"passages of {PASSAGE_WORDS} words", [f"{name}: {passage!r}" for name, passage in passages.items()])
    return {
        "result": "nothing held out is in training",
        "train_documents": len(train),
        "heldout_documents": len(heldout),
        "heldout_units": len({unit_of(document) for document in heldout} - {None}),
        "heldout_exercises": len({key for document in heldout for key in document.keys}),
        "passage_words": PASSAGE_WORDS,
    }


def _refuse(what: str, offenders: list[str]) -> None:
    if offenders:
        shown = "; ".join(offenders[:5]) + (f"; and {len(offenders) - 5} more" if len(offenders) > 5 else "")
        raise UserError(f"Held-out {what} are also in training: {shown}. Remove them from one side and build again.")
