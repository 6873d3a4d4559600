"""Keys and values of what was read so far."""

import torch
from torch import Tensor

from cygnet.model.config import ModelConfig


class Cache:
    """Preallocated keys and values [layers, B, K, S, E]; all rows stand at the same place (prompts are padded left)."""

    def __init__(self, config: ModelConfig, rows: int, places: int, dtype: torch.dtype) -> None:
        shape = (config.layers, rows, config.kv_heads, places, config.head_width)
        self._keys, self._values = torch.zeros(shape, dtype=dtype), torch.zeros(shape, dtype=dtype)
        self.place = 0

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store [B, K, T, E] at the current place; return everything up to its end. `advance` moves the place."""
        end = self.place + keys.shape[2]
        self._keys[layer, :, :, self.place : end] = keys
        self._values[layer, :, :, self.place : end] = values
        return self._keys[layer, :, :, :end], self._values[layer, :, :, :end]

    def advance(self, places: int) -> None:
        """Every layer has stored `places` more."""
        self.place += places

    def select(self, rows: Tensor) -> None:
        """Keep these rows, in this order; a row may be repeated (samples that share a prompt) or dropped (finished)."""
        self._keys, self._values = self._keys[:, rows], self._values[:, rows]
