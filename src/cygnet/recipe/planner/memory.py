"""Bytes on each device while training, as cygnet trains: float32 weights that are cast to bf16 where they are used.

Sharding as in ZeRO (Rajbhandari et al. 2019, arXiv 1910.02054): stage 1 shares out the optimizer's state, stage 2 the
gradients too, stage 3 (FSDP2) the weights too. Activations are counted operation by operation, in the manner of
Korthikanti et al. 2022 (arXiv 2205.05198), for the operations that this Transformer has when it is not compiled.
"""

from dataclasses import dataclass

from cygnet.model.config import ModelConfig
from cygnet.recipe.planner.shape import layer_matrices, layer_vectors, parameter_count

SHARDINGS = ("DDP", "ZeRO-1", "ZeRO-2", "ZeRO-3 (FSDP2)")
SPARE = 0.1  # of a device's memory, for its runtime and for gaps between blocks

_FLOAT32, _BFLOAT16 = 4, 2


@dataclass(frozen=True)
class Held:
    """Bytes on each device whatever the batch, under one sharding. copies: bf16 weights, and what is in passing."""

    sharding: str
    weights: float
    copies: float
    gradients: float
    optimizer: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.copies + self.gradients + self.optimizer


def optimizer_bytes(shape: ModelConfig, muon: bool = True) -> int:
    """State of the optimizers: AdamW has two float32 numbers a parameter, Muon one for a layer's matrices."""
    matrices = shape.layers * layer_matrices(shape)
    return _FLOAT32 * (2 * parameter_count(shape) - (matrices if muon else 0))


def held(shape: ModelConfig, devices: int, sharding: str, muon: bool = True, recomputed: bool = False) -> Held:
    """What every device holds under `sharding`, one of SHARDINGS.

    The bf16 copies of all weights are kept for the way back, sharded or not; with layers recomputed, those of one layer
    and of the head.
    """
    stage = SHARDINGS.index(sharding)
    parameters = parameter_count(shape)
    copied = _layer(shape) + shape.vocab_size * shape.width if recomputed else parameters
    return Held(
        sharding,
        weights=_FLOAT32 * parameters / (devices if stage == 3 else 1),
        copies=_BFLOAT16 * copied + (_in_passing(shape) if stage == 3 and devices > 1 else 0),
        gradients=_FLOAT32 * parameters / (devices if stage >= 2 else 1),
        optimizer=optimizer_bytes(shape, muon) / (devices if stage >= 1 else 1),
    )


def _in_passing(shape: ModelConfig) -> int:
    """What FSDP2 has whole, in float32: what is in no layer; a layer while the next arrives; a gradient, twice while it
    is shared out."""
    layer = _layer(shape)
    rest = parameter_count(shape) - shape.layers * layer
    return _FLOAT32 * (rest + max(4 * layer, 2 * rest))


def _layer(shape: ModelConfig) -> int:
    return layer_matrices(shape) + layer_vectors(shape)


def row_activations(shape: ModelConfig, recomputed: bool) -> int:
    """Bytes that one row of `context_length` tokens needs. Recomputed: of a layer only its input is kept."""
    layer, layers = _layer_token_bytes(shape), shape.layers
    kept = layers * _BFLOAT16 * shape.width + layer if recomputed else layers * layer
    return shape.context_length * (kept + _head_token_bytes(shape))


def _layer_token_bytes(shape: ModelConfig) -> int:
    """What one layer keeps of one token for the way back."""
    queries, keys = shape.heads * shape.head_width, shape.kv_heads * shape.head_width
    norms = 2 * (2 * _FLOAT32 * shape.width + _FLOAT32)  # the input and the normalized, and one scale
    if shape.qk_norm:
        norms += 2 * _FLOAT32 * (queries + keys) + _FLOAT32 * (shape.heads + shape.kv_heads)
    inputs = _BFLOAT16 * (2 * shape.width + queries)  # of the three products
    attention = _BFLOAT16 * (queries + 2 * keys + queries + keys + queries) + _FLOAT32 * shape.heads
    feed_forward = _BFLOAT16 * 4 * shape.ffn_width  # gate and up, the gate's activation, their product
    return norms + inputs + attention + feed_forward


def _head_token_bytes(shape: ModelConfig) -> int:
    """The final norm, the head's input, float32 log-probabilities and, on the way back, their gradient."""
    return (2 * _FLOAT32 + _BFLOAT16) * shape.width + _FLOAT32 + 2 * _FLOAT32 * shape.vocab_size


def rows_that_fit(shape: ModelConfig, held_bytes: float, memory: float, recomputed: bool) -> int:
    """Rows that a device of `memory` bytes can take at once; 0 where not even one fits."""
    room = memory * (1 - SPARE) - held_bytes
    return max(0, int(room // row_activations(shape, recomputed)))
