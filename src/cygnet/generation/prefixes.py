"""What was read before and may be read again: the beginnings of prompts, with their keys and values."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor

SHORTEST = 16  # tokens: a shorter beginning is read sooner than it is looked up and copied
_KEPT = 16  # beginnings
_MOST_NUMBERS = 64_000_000  # of all keys and values together: 256 MB


class Prefixes:
    """The most recently used beginnings, in a bounded amount of memory."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, ...], tuple[Tensor, Tensor]] = OrderedDict()

    def find(self, tokens: Sequence[int]) -> tuple[int, Tensor, Tensor] | None:
        """The longest beginning of `tokens` that is kept: its length, keys and values [layers, K, length, E]."""
        length, best = max(((shared(kept, tokens), kept) for kept in self._kept), default=(0, ()))
        if length < SHORTEST:
            return None
        self._kept.move_to_end(best)
        keys, values = self._kept[best]
        return length, keys[:, :, :length], values[:, :, :length]

    def keep(self, tokens: Sequence[int], keys: Tensor, values: Tensor) -> None:
        """Keep the beginning `tokens`; what was used longest ago makes room for it."""
        for kept in [kept for kept in self._kept if shared(kept, tokens) == len(kept)]:
            del self._kept[kept]  # the new one begins with it
        self._kept[tuple(tokens)] = (keys, values)
        while len(self._kept) > _KEPT or self._numbers() > _MOST_NUMBERS:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget everything: the model has changed."""
        self._kept.clear()

    def _numbers(self) -> int:
        return sum(keys.numel() + values.numel() for keys, values in self._kept.values())


def shared(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two sequences have in common from their start on."""
    length = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        length += 1
    return length
