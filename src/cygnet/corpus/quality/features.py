"""Texts as hashed counts of words and pairs of words, for the learned filter."""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BUCKETS = 1 << 18

_WORD = re.compile(r"\w+|[^\w\s]")
_MIX, _PAIR = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_SHIFT = np.uint64(64 - 18)


@dataclass(frozen=True)
class Features:
    """Sparse rows, one a text: those of row i are places `ends[i - 1]` to `ends[i]` of `buckets` and `values`.

    Each row has length 1 in the Euclidean sense (0 for a text without words), so long texts weigh no more than short.
    """

    buckets: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    ends: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ends)

    def rows(self, which: npt.NDArray[np.int64]) -> "Features":
        """Some of the rows, in the order asked for."""
        begins = np.concatenate(([0], self.ends[:-1]))[which]
        sizes = self.ends[which] - begins
        ends = np.cumsum(sizes)
        places = np.arange(sizes.sum()) + np.repeat(begins - (ends - sizes), sizes)
        return Features(self.buckets[places], self.values[places], ends)

    def owners(self) -> npt.NDArray[np.int64]:
        """The row of each entry."""
        return np.repeat(np.arange(len(self)), np.diff(self.ends, prepend=0))


def features(texts: Sequence[str]) -> Features:
    """Logarithms of the counts of words and of pairs of neighbours, lower case, each hashed to one of 2^18 buckets."""
    hashes: dict[str, int] = {}
    buckets, values, sizes = [], [], []
    for text in texts:
        places, counts = np.unique(_hash(_WORD.findall(text.lower()), hashes), return_counts=True)
        value = np.log1p(counts)
        buckets.append(places)
        values.append(value / max(float(np.linalg.norm(value)), 1e-12))
        sizes.append(len(places))
    return Features(
        np.concatenate([np.empty(0, np.int64), *buckets]),
        np.concatenate([np.empty(0), *values]),
        np.cumsum(sizes, dtype=np.int64),
    )


def _hash(words: list[str], known: dict[str, int]) -> npt.NDArray[np.int64]:
    """Buckets of the words, then of the pairs: the same in every process, unlike Python's own hash."""
    for word in set(words) - known.keys():
        known[word] = zlib.crc32(word.encode("utf-8", "surrogatepass"))
    single = np.fromiter(map(known.__getitem__, words), np.uint64, len(words))
    pairs = single[:-1] * _PAIR + single[1:] + np.uint64(1)
    mixed = np.concatenate((single * _MIX, (pairs ^ (pairs >> np.uint64(29))) * _MIX))
    return (mixed >> _SHIFT).astype(np.int64)
