"""Keys and values of what was read so far."""

from collections.abc import Sequence

import torch
from torch import Tensor

from cygnet.model.config import ModelConfig

_GROWTH = 64  # places: a cache that must grow grows by at least as many


class Cache:
    """Keys and values [layers, rows, K, places, E]. Every row is filled from its own first place on.

    They are float32 whatever the weights are: attention over them is several times as fast as in bfloat16 on a CPU. The
    cache grows as it is used. Places beyond what a row has read may hold anything finite: nothing looks at them, and
    reading on overwrites them. So a cache can serve again.
    """

    def __init__(self, config: ModelConfig, device: torch.device) -> None:
        self._shape = (config.layers, config.kv_heads, config.head_width)
        self.device = device
        self._rows = self._places = self.longest = 0
        self._keys, self._values = self._empty(), self._empty()

    def numbers(self, rows: int, places: int) -> int:
        """How many numbers this cache would hold with at least so many rows of this length."""
        layers, heads, width = self._shape
        return 2 * layers * heads * width * max(rows, self._rows) * max(places, self._places)

    def serve(self, rows: int, longest: int) -> None:
        """Make room for so many rows, none of which will be longer than `longest`."""
        self.longest = longest
        self.reserve(rows, 0)

    def reserve(self, rows: int, places: int) -> None:
        """Make room for so many rows of this length. What was read stays."""
        if rows <= self._rows and places <= self._places:
            return
        keys, values, held = self._keys, self._values, (self._rows, self._places)
        if places > self._places:
            places = max(places, min(self.longest, self._places + max(_GROWTH, self._places // 2)))
        self._rows, self._places = max(rows, self._rows), max(places, self._places)
        self._keys, self._values = self._empty(), self._empty()
        self._keys[:, : held[0], :, : held[1]], self._values[:, : held[0], :, : held[1]] = keys, values

    def reading(self, rows: Tensor | slice, starts: Sequence[int], length: int) -> "Reading":
        """For one forward in which `rows` read `length` tokens each, from the places `starts` on."""
        end = max(starts) + length
        self.reserve(0, end)
        first = torch.tensor(starts, device=self.device)
        places = first[:, None] + torch.arange(length, device=self.device)
        return Reading(self._keys, self._values, rows, places, end)

    def copy(self, source: int, target: int, places: int) -> None:
        """Let row `target` have read what row `source` has, up to a place."""
        for store in (self._keys, self._values):
            store[:, target, :, :places] = store[:, source, :, :places]

    def take(self, row: int, places: int) -> tuple[Tensor, Tensor]:
        """A copy of a row's keys and values [layers, K, places, E]."""
        return self._keys[:, row, :, :places].clone(), self._values[:, row, :, :places].clone()

    def put(self, row: int, keys: Tensor, values: Tensor) -> None:
        """Let a row begin with keys and values [layers, K, places, E] that were taken before."""
        self.reserve(0, keys.shape[2])
        self._keys[:, row, :, : keys.shape[2]], self._values[:, row, :, : keys.shape[2]] = keys, values

    def _empty(self) -> Tensor:
        layers, heads, width = self._shape
        return torch.zeros((layers, self._rows, heads, self._places, width), device=self.device)


class Reading:
    """The cache as one forward sees it. `places` [R, T] and `mask` [R, 1, T, S] go with it."""

    def __init__(self, keys: Tensor, values: Tensor, rows: Tensor | slice, places: Tensor, end: int) -> None:
        self._keys, self._values, self._rows, self._end = keys, values, rows, end
        self._index = torch.arange(len(places), device=places.device) if isinstance(rows, slice) else rows
        self.places = places
        self.mask = (torch.arange(end, device=places.device) <= places[:, :, None])[:, None]

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store [R, K, T, E]; return everything [R, K, S, E] that these rows may look at."""
        return self._stored(self._keys[layer], keys), self._stored(self._values[layer], values)

    def _stored(self, store: Tensor, new: Tensor) -> Tensor:
        store[self._index[:, None], :, self.places] = new.transpose(1, 2).to(store.dtype)
        return store[self._rows][:, :, : self._end]
