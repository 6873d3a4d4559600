"""Near duplicates: texts whose signatures agree in a whole band, and all that hang together so, are one cluster.

The first text of a cluster is kept, in the order of the corpus: what is kept does not depend on how the work was split.
Clusters are transitive: A like B and B like C puts C with A, however different they are. The report therefore shows for
the largest clusters how little the least alike text resembles the one that is kept.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cygnet.corpus.dedup.buckets import MEMORY, Buckets, Rows, starts_of_groups
from cygnet.corpus.dedup.exact import Firsts
from cygnet.corpus.dedup.signatures import BANDS, NOTHING, ROWS, Signatures

UNLIKE = 0.5  # estimated similarity below which a text was hardly a near duplicate of the one that is kept

_LOOKED_AT = 1_000  # texts of a cluster that are compared with its first, spread evenly
_LARGEST = 10
_AT_ONCE = 10_000  # texts whose bands are spread out at once
_BLOCK = 1 << 20  # texts whose first is looked up at once
# odd, others for every band: a fixed multilinear hash
_FACTORS = np.random.default_rng(112).integers(0, 2**64, (BANDS, ROWS), np.uint64) | np.uint64(1)
_MIX = np.uint64(0xD6E8FEB86659FD93)


def near_firsts(shards: Iterable[Signatures], scratch: Path, memory: int = MEMORY) -> Firsts:
    """For each text of a corpus, counted through all shards, the first text of its cluster; itself if it is alone.

    Args:
        shards: the signatures of each shard [N, 112], in the shards' order; each is read once.
        scratch: a folder for temporary files, 224 bytes a text when `memory` is too small; they are gone at the end.
        memory: bytes of bands held at a time. On top of it comes the answer, 8 bytes a text.

    Raises:
        UserError: when `scratch` is full or can't be written.
    """
    with Buckets(scratch, columns=2, memory=memory) as buckets:
        total = 0
        for shard in shards:
            for start in range(0, len(shard), _AT_ONCE):
                buckets.add(bands(shard[start : start + _AT_ONCE], total + start))
            total += len(shard)
        found = Clusters(total)
        for rows in buckets:
            key, place = rows[np.argsort(rows[:, 0])].T
            starts = starts_of_groups(key)
            first = place[np.maximum.accumulate(np.where(starts, np.arange(len(key)), 0))]
            found.join(first[~starts].astype(np.int64), place[~starts].astype(np.int64))
    return found.firsts()


def bands(found: Signatures, first: int) -> Rows:
    """(band, text) of signatures [N, 112] whose first text is the corpus's `first`: [14 N, 2].

    Texts meet where their bands are equal; what has no signature has no bands. A band is a 64-bit hash of its number
    and its 8 values. Equal hashes of unequal bands: one pair in 10¹⁹.
    """
    signed = np.flatnonzero((found != NOTHING).any(axis=1))
    keys = (found[signed].reshape(-1, BANDS, ROWS) * _FACTORS).sum(axis=2, dtype=np.uint64)
    keys ^= keys >> np.uint64(32)
    keys *= _MIX
    keys ^= keys >> np.uint64(32)
    return np.column_stack([keys.ravel(), np.repeat(first + signed, BANDS).astype(np.uint64)])


class Clusters:
    """Texts that hang together through pairs, whatever the order of the pairs: union-find, 8 bytes a text."""

    def __init__(self, texts: int) -> None:
        self._parents = np.arange(texts)

    def join(self, left: Firsts, right: Firsts) -> None:
        """Take pairs (left[i], right[i]), all at once; a root always hangs itself under a smaller one."""
        parents = self._parents
        while len(left):
            left, right = self._roots(left), self._roots(right)
            apart = left != right
            left, right = left[apart], right[apart]
            np.minimum.at(parents, np.maximum(left, right), np.minimum(left, right))

    def firsts(self) -> Firsts:
        """The first text of each text's cluster. It is the end: no pairs may be added afterwards."""
        for start in range(0, len(self._parents), _BLOCK):
            self._roots(np.arange(start, min(start + _BLOCK, len(self._parents))))
        return self._parents

    def _roots(self, nodes: Firsts) -> Firsts:
        """The root of each node; on the way every node asked for is hung directly under it."""
        parents = self._parents
        found = parents[nodes]
        while True:
            above = parents[found]
            if (above == found).all():
                parents[nodes] = found
                return found
            found = above


@dataclass(frozen=True)
class Cluster:
    """One cluster: how many texts, which is kept, and which of the others resembles it least, and how much.

    `similarity` is the share of equal hashes, an unbiased estimate of the Jaccard similarity (± .05 with 112).
    """

    texts: int
    kept: str
    least_alike: str
    similarity: float


def report(
    firsts: Firsts, rows: Callable[[Sequence[int]], Mapping[int, Signatures]], name: Callable[[int], str] = str
) -> dict[str, Any]:
    """What near deduplication did: counts, sizes of clusters, the largest of them, and a warning if they look chained.

    Args:
        firsts: what `near_firsts` gave.
        rows: gives the signatures of some texts; asked for are at most ten thousand.
        name: the id of the n-th text of the corpus, for people to look it up.
    """
    size = np.bincount(firsts, minlength=len(firsts))
    roots = np.flatnonzero(size > 1)
    order = roots[np.argsort(-size[roots], kind="stable")[:_LARGEST]].tolist()
    looked_at = {first: _sample(np.flatnonzero(firsts == first)) for first in order}
    signed = rows(sorted({text for texts in looked_at.values() for text in texts}))
    listed = [_cluster(int(size[first]), texts, signed, name) for first, texts in looked_at.items()]
    sizes, counts = np.unique(size[roots], return_counts=True)
    told: dict[str, Any] = {
        "texts": len(firsts),
        "dropped": int((size[roots] - 1).sum()),
        "clusters": int(counts.sum()),
        "clusters_by_size": {str(texts): int(count) for texts, count in zip(sizes, counts, strict=True)},
        "largest_clusters": [asdict(cluster) for cluster in listed],
    }
    chained = [cluster for cluster in listed if cluster.similarity < UNLIKE]
    if chained:
        told["warning"] = (
            f"{len(chained)} of the {len(listed)} largest clusters hold texts that share less than half of their "
            f"shingles with the one that is kept (for example {chained[0].least_alike} and {chained[0].kept}): "
            "they hang together through texts in between. Look at them before you drop them."
        )
    return told


def _sample(members: Firsts) -> list[int]:
    """The first of a cluster and up to a thousand others, spread evenly."""
    places = np.linspace(0, len(members) - 1, min(len(members), _LOOKED_AT + 1)).astype(int)
    return [int(text) for text in members[places]]


def _cluster(size: int, texts: list[int], rows: Mapping[int, Signatures], name: Callable[[int], str]) -> Cluster:
    alike = [float((rows[text] == rows[texts[0]]).mean()) for text in texts]
    least = int(np.argmin(alike[1:])) + 1
    return Cluster(size, name(texts[0]), name(texts[least]), round(alike[least], 3))
