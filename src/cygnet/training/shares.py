"""Which of an update's items a process reads, and how many of them at once."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

from cygnet.training.work import Work

Item = TypeVar("Item")


def parts(items: Sequence[Item], work: Work) -> list[Sequence[Item]]:
    """This process's share of `items`, in parts of at most `work.rows_at_once`.

    Every process has the same number of parts, at least one, so that all of them go forward and backward together;
    where items don't come out even, some parts are empty.
    """
    size = work.world.size
    share = -(-len(items) // size)
    count = max(1, -(-share // (work.rows_at_once or max(1, share))))
    bounds = [len(items) * i // (size * count) for i in range(size * count + 1)]
    own = bounds[work.world.rank * count : (work.world.rank + 1) * count + 1]
    return [items[start:end] for start, end in pairwise(own)]


def at_once(work: Work, most: int = 16) -> int:
    """How many items a pass of an evaluation reads: `most`, or `work.rows_at_once` if that is less."""
    return min(most, work.rows_at_once or most)
