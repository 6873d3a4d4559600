"""The frequencies of rotary positions, plain or stretched to longer contexts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cygnet.errors import UserError
from cygnet.model.fields import count, number

_WHERE = "the scaling of rotary positions"


@dataclass(frozen=True)
class Linear:
    """Every position divided by `factor` (Chen et al. 2023, position interpolation)."""

    factor: float

    strength = 1.0  # what queries and keys are multiplied by

    def stretch(self, frequencies: Sequence[float], theta: float) -> list[float]:  # noqa: ARG002 - one interface
        """The new frequencies (radians a position) of all rotations, the fastest first; `theta` is their base."""
        return [frequency / self.factor for frequency in frequencies]

    def to_huggingface(self) -> dict[str, Any]:
        """The `rope_scaling` of a `config.json`."""
        return {"rope_type": "linear", "factor": self.factor}


@dataclass(frozen=True)
class Llama3:
    """Llama 3.1's stretching (arXiv 2407.21783 §3.4.2; the "llama3" of transformers).

    Rotations with wavelengths above `original_max_position_embeddings` / `low_freq_factor` are slowed by `factor`,
    those below `original_max_position_embeddings` / `high_freq_factor` stay, and between them it is blended.
    """

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_position_embeddings: int

    strength = 1.0

    def __post_init__(self) -> None:
        if not self.low_freq_factor < self.high_freq_factor:
            raise UserError(
                f"{_WHERE} has low_freq_factor {self.low_freq_factor}, which is not below high_freq_factor."
            )

    def stretch(self, frequencies: Sequence[float], theta: float) -> list[float]:  # noqa: ARG002 - one interface
        """As in `Linear`."""
        return [self._slow_down(frequency) for frequency in frequencies]

    def _slow_down(self, frequency: float) -> float:
        turns = self.original_max_position_embeddings * frequency / (2 * math.pi)
        kept = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
        return _blend(frequency, self.factor, min(1.0, max(0.0, kept)))

    def to_huggingface(self) -> dict[str, Any]:
        """The `rope_scaling` of a `config.json`."""
        return {"rope_type": "llama3", **asdict(self)}


@dataclass(frozen=True)
class Yarn:
    """YaRN (Peng et al. 2023, arXiv 2309.00071), with which Qwen2.5 and Qwen3 are stretched.

    Rotations that turn more than `beta_fast` times within the original context stay, those that turn less than
    `beta_slow` times are slowed by `factor`, and between them it is blended by their place. Queries and keys grow by
    `strength` (transformers' attention_factor), which sharpens attention.
    """

    factor: float
    original_max_position_embeddings: int
    strength: float
    beta_fast: float = 32.0
    beta_slow: float = 1.0

    def stretch(self, frequencies: Sequence[float], theta: float) -> list[float]:
        """As in `Linear`."""
        if theta <= 1:
            raise UserError(f"{_WHERE} is yarn, which needs a rope_theta above 1, not {theta:g}.")
        last = 2 * len(frequencies) - 1
        low = max(math.floor(self._place(self.beta_fast, len(frequencies), theta)), 0)
        high = min(math.ceil(self._place(self.beta_slow, len(frequencies), theta)), last)
        span = high - low or 0.001
        slowed = [min(1.0, max(0.0, (place - low) / span)) for place in range(len(frequencies))]
        return [_blend(frequency, self.factor, 1 - share) for frequency, share in zip(frequencies, slowed, strict=True)]

    def _place(self, turns: float, rotations: int, theta: float) -> float:
        """Which rotation turns that often within the original context, counted from the fastest."""
        return rotations * math.log(self.original_max_position_embeddings / (2 * math.pi * turns)) / math.log(theta)

    def to_huggingface(self) -> dict[str, Any]:
        """The `rope_scaling` of a `config.json`."""
        fields = asdict(self)
        return {"rope_type": "yarn", "attention_factor": fields.pop("strength"), **fields}


RopeScaling = Linear | Llama3 | Yarn


def yarn_strength(factor: float) -> float:
    """What the paper found best for a factor (equation 22), where a model says nothing else."""
    return 0.1 * math.log(factor) + 1 if factor > 1 else 1.0


def _blend(frequency: float, factor: float, kept: float) -> float:
    """A frequency of which a share is kept and the rest slowed by `factor`."""
    return kept * frequency + (1 - kept) * frequency / factor


def read_rope(config: dict[str, Any]) -> tuple[float, RopeScaling | None]:
    """Base and scaling: transformers 5 writes both into `rope_parameters`, older versions the base beside the rest.

    Raises UserError for a scaling that is not known here, naming it, and KeyError for a missing field.
    """
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(rope, dict):
        raise UserError(f"the model's rope_scaling is {rope!r:.60}, which should be an object.")
    kind = rope.get("rope_type", rope.get("type", "default"))
    if not isinstance(kind, str) or kind not in _READERS:
        raise UserError(f"rotary positions load here unscaled, linear, llama3 or yarn, not {kind!r:.60}.")
    if rope.get("partial_rotary_factor", 1.0) != 1.0:
        raise UserError("rotary positions load here where they rotate whole heads, not a part of each.")
    theta = number(rope if "rope_theta" in rope else config, "rope_theta", "the model's config.json")
    scaling = _READERS[kind](rope)
    if scaling is not None:
        scaling.stretch([1.0], theta)  # a base that it can't stretch is told here
    return theta, scaling


def _read_llama3(rope: Mapping[str, Any]) -> Llama3:
    return Llama3(
        number(rope, "factor", _WHERE),
        number(rope, "low_freq_factor", _WHERE),
        number(rope, "high_freq_factor", _WHERE),
        count(rope, "original_max_position_embeddings", _WHERE),
    )


def _read_yarn(rope: Mapping[str, Any]) -> Yarn:
    rope = {name: value for name, value in rope.items() if value is not None}
    for name in ("mscale", "mscale_all_dim"):
        if name in rope:
            raise UserError(f"{_WHERE} is yarn with {name}, which can't be represented here.")
    if rope.get("truncate", True) is not True:
        raise UserError(f"{_WHERE} is yarn with truncate = {rope['truncate']!r:.60}, which can't be represented here.")
    factor = number(rope, "factor", _WHERE)
    rope = {"attention_factor": yarn_strength(factor), "beta_fast": 32.0, "beta_slow": 1.0, **rope}
    return Yarn(
        factor,
        count(rope, "original_max_position_embeddings", _WHERE),
        number(rope, "attention_factor", _WHERE),
        number(rope, "beta_fast", _WHERE),
        number(rope, "beta_slow", _WHERE),
    )


_READERS: dict[str, Any] = {
    "default": lambda _: None,
    "linear": lambda rope: Linear(number(rope, "factor", _WHERE)),
    "llama3": _read_llama3,
    "yarn": _read_yarn,
}
