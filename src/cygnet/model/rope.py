"""The frequencies of rotary positions, plain or stretched as in Llama 3.1."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from cygnet.errors import UserError
from cygnet.model.fields import count, number

_WHERE = "the scaling of rotary positions"


@dataclass(frozen=True)
class RopeScaling:
    """Llama 3.1's stretching to longer contexts (arXiv 2407.21783 §3.4.2; the "llama3" of transformers).

    Rotations with wavelengths above `original_max_position_embeddings` / `low_freq_factor` are slowed by `factor`,
    those below `original_max_position_embeddings` / `high_freq_factor` stay, and between them it is blended.
    """

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_position_embeddings: int

    def __post_init__(self) -> None:
        if not self.low_freq_factor < self.high_freq_factor:
            raise UserError(
                f"{_WHERE} has low_freq_factor {self.low_freq_factor}, which is not below high_freq_factor."
            )

    def slow_down(self, frequency: float) -> float:
        """The new frequency (radians a position) of one rotation."""
        turns = self.original_max_position_embeddings * frequency / (2 * math.pi)
        kept = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
        kept = min(1.0, max(0.0, kept))
        return kept * frequency + (1 - kept) * frequency / self.factor

    def to_huggingface(self) -> dict[str, Any]:
        """The `rope_scaling` of a `config.json`."""
        return {"rope_type": "llama3", **asdict(self)}


def read_rope(config: dict[str, Any]) -> tuple[float, RopeScaling | None]:
    """Base and scaling: transformers 5 writes both into `rope_parameters`, older versions the base beside the rest.

    Raises UserError for a scaling other than Llama 3.1's, naming it, and KeyError for a missing field.
    """
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(rope, dict):
        raise UserError(f"the model's rope_scaling is {rope!r:.60}, which should be an object.")
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind not in ("default", "llama3") or rope.get("partial_rotary_factor", 1.0) != 1.0:
        what = repr(kind) if kind not in ("default", "llama3") else "positions that rotate a part of each head"
        raise UserError(f"rotary positions load here unscaled or as in Llama 3.1, not {what:.60}.")
    theta = number(rope if "rope_theta" in rope else config, "rope_theta", "the model's config.json")
    if kind == "default":
        return theta, None
    return theta, RopeScaling(
        number(rope, "factor", _WHERE),
        number(rope, "low_freq_factor", _WHERE),
        number(rope, "high_freq_factor", _WHERE),
        count(rope, "original_max_position_embeddings", _WHERE),
    )
