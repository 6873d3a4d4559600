"""The order in which items are visited."""

from collections.abc import Iterator

import numpy as np


def visits(total: int, start: int, count: int, seed: int) -> Iterator[int]:
    """Indices of the visits `start` to `start + count` to `total` items: each once an epoch, in a new order each epoch.

    A pure function of its arguments, so a stage's only cursor is the step it is at.
    """
    order, shuffled = np.empty(0, dtype=np.int64), -1
    for visit in range(start, start + count):
        epoch, place = divmod(visit, total)
        if epoch != shuffled:
            order, shuffled = np.random.default_rng([seed, epoch]).permutation(total), epoch
        yield int(order[place])
