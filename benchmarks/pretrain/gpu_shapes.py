"""Shapes that all sides of gpu.py have, and what a side is."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from cygnet.model.config import ModelConfig


@dataclass(frozen=True)
class Shape:
    """Of all models of one size. heads: each width / heads wide."""

    layers: int
    width: int
    heads: int
    ffn_width: int
    vocabulary: int = 50_304  # GPT-2's, padded
    length: int = 2048

    def config(self) -> ModelConfig:
        """As cygnet has it."""
        return ModelConfig(
            vocab_size=self.vocabulary,
            context_length=self.length,
            layers=self.layers,
            width=self.width,
            heads=self.heads,
            kv_heads=self.heads,
            head_width=self.width // self.heads,
            ffn_width=self.ffn_width,
        )


SIZES = {
    "tiny": Shape(2, 128, 2, 320, vocabulary=512, length=64),
    "124M": Shape(12, 768, 6, 2048),
    "350M": Shape(24, 1024, 8, 2688),
    "1B": Shape(18, 2048, 16, 5376),
}


@dataclass(frozen=True)
class Side:
    """A model in training.

    update: all of it, from ids [N, T + 1] in the host's memory to moved weights; gives the last micro-batch's loss.
    weights: how many multiply; what is only looked up is not among them.
    """

    model: nn.Module
    update: Callable[[Tensor], float]
    weights: int
