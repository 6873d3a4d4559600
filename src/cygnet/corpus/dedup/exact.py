"""Exact duplicates: texts that are equal but for white space and the way accented letters are composed.

The first of equal texts is kept, in the order of the corpus, so which one that is does not depend on how the work was
split. Of every other it is known which text it repeats.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128_digest

from cygnet.corpus.dedup.buckets import MEMORY, Buckets, starts_of_groups

Firsts = NDArray[np.int64]


def normalise(text: str) -> str:
    """What counts as the same: Unicode NFC, runs of white space are one space, none at the ends. Case counts."""
    return " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())


def text_hashes(texts: Iterable[str]) -> NDArray[np.uint64]:
    """xxh3-128 of each normalised text, as two numbers, the upper half first: [N, 2]."""
    digests = b"".join(xxh3_128_digest(normalise(text).encode("utf-8", "surrogatepass")) for text in texts)
    return np.frombuffer(digests, ">u8").reshape(-1, 2).astype(np.uint64)


def exact_firsts(hashes: Iterable[NDArray[np.uint64]], scratch: Path, memory: int = MEMORY) -> Firsts:
    """For each text of a corpus, counted through all shards, the first text that equals it; itself if there is none.

    Args:
        hashes: what `text_hashes` gave for each shard [N, 2], in the shards' order.
        scratch: a folder for temporary files; they are gone at the end.
        memory: bytes of hashes held at a time. On top of it comes the answer, 8 bytes a text.

    Raises:
        UserError: when `scratch` is full or can't be written.
    """
    with Buckets(scratch, columns=3, memory=memory) as buckets:
        total = 0
        for shard in hashes:
            places = np.arange(total, total + len(shard), dtype=np.uint64)
            buckets.add(np.column_stack([shard, places]))
            total += len(shard)
        firsts = np.arange(total)
        for rows in buckets:
            upper, lower, place = rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))].T
            starts = np.flatnonzero(starts_of_groups(upper, lower))
            sizes = np.diff(np.append(starts, len(place)))
            firsts[place] = np.repeat(place[starts], sizes)
    return firsts


def places(firsts: Firsts, lengths: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """Shard by shard, the (shard, row) of the text that each row repeats, or of itself: [n, 2].

    Args:
        firsts: what `exact_firsts` or `near_firsts` gave.
        lengths: how many texts each shard has, in their order.
    """
    ends = np.cumsum(lengths)
    assert len(firsts) == (ends[-1] if len(ends) else 0)
    for end, length in zip(ends, lengths, strict=True):
        wanted = firsts[end - length : end]
        shard = np.searchsorted(ends, wanted, side="right")
        yield np.column_stack([shard, wanted - (ends - lengths)[shard]])
