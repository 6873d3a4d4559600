"""Words of a text as similarity sees them, and 64-bit hashes of the runs of n words in it, without a Python loop.

Every word is hashed once (xxh3), and a run is a polynomial of its words' hashes, computed for all runs at once:
twice as fast as joining words to strings, and no shingle is ever a Python object.
"""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

Hashes = NDArray[np.uint64]

_TO_SPACE = bytes(32 if code < 128 and not chr(code).isalnum() else code for code in range(256))
_PUNCTUATION = re.compile("[\u0080-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u2000-\u206f\u3000-\u3004\u3008-\u303f"
                          "\ufe30-\ufe4f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]")  # fmt: skip
_UNSPACED = re.compile("([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
                       "\U00020000-\U0003ffff])")  # fmt: skip
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no word's bits are lost
_MIX = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)


class WordHashes(dict[bytes, int]):
    """word → its xxh3 hash, filled when a word is first asked for. Make one for a batch of texts."""

    def __missing__(self, word: bytes) -> int:
        found = self[word] = xxh3_64_intdigest(word)
        return found


def words(text: str) -> list[bytes]:
    """Lower-case words without punctuation, as UTF-8. What isn't a letter, a digit or a mark separates words.

    Scripts that write no spaces (Chinese, Japanese, Thai, Lao, Burmese, Khmer) count a word a character.
    """
    text = text.lower()
    if not text.isascii():
        text = _PUNCTUATION.sub(" ", unicodedata.normalize("NFC", text))
        text = _UNSPACED.sub(r" \1 ", text)
    return text.encode("utf-8", "surrogatepass").translate(_TO_SPACE).split()


def hashes_of(found: Sequence[bytes], known: WordHashes) -> Hashes:
    """The hash of each word: [len(found)]."""
    return np.fromiter(map(known.__getitem__, found), np.uint64, len(found))


def runs(single: Hashes, length: int) -> Hashes:
    """Unfinished hashes of every run of `length` words: [max(0, W - length + 1)] from words' hashes [W]."""
    found = single[: max(0, len(single) - length + 1)].copy()
    for place in range(1, length):
        found = longer(found, single, place)
    return found


def longer(found: Hashes, single: Hashes, length: int) -> Hashes:
    """Unfinished hashes of runs of `length` + 1 words, from those of `length` words (its array is used up)."""
    found = found[: max(0, len(single) - length)]
    found *= _BASE
    found += single[length : length + len(found)]
    return found


def finish(found: Hashes, length: int) -> Hashes:
    """Spread the bits of unfinished hashes, so that their top bits are fit to sort into buckets by."""
    found = found + np.uint64(length)
    found ^= found >> _HALF
    found *= _MIX
    found ^= found >> _HALF
    return found
