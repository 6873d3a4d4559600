"""The shape of a model, and the one dial that sets it."""

from dataclasses import dataclass
from typing import Any

from cygnet.errors import UserError


@dataclass(frozen=True)
class ModelConfig:
    """Shape of a Qwen3-style decoder. Sizes are counts; `rope_theta` and `norm_eps` as in the Qwen3 config."""

    vocab_size: int
    context_length: int
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_width: int
    ffn_width: int
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-6

    def __post_init__(self) -> None:
        if self.heads % self.kv_heads:
            raise UserError(f"{self.heads} attention heads can't share {self.kv_heads} key-value heads evenly.")

    @classmethod
    def from_depth(cls, depth: int, vocab_size: int, context_length: int) -> "ModelConfig":
        """The dial: `depth` layers, 32 × depth wide, heads of 32, SwiGLU 8/3 as wide rounded up to 32."""
        if depth < 1:
            raise UserError(f"depth must be at least 1, not {depth}.")
        width = 32 * depth
        return cls(
            vocab_size=vocab_size,
            context_length=context_length,
            layers=depth,
            width=width,
            heads=depth,
            kv_heads=depth,
            head_width=32,
            ffn_width=-(-8 * width // 3 // 32) * 32,
        )

    def to_huggingface(self) -> dict[str, Any]:
        """The fields of a Qwen3 `config.json`, embeddings tied."""
        return {
            "model_type": "qwen3",
            "vocab_size": self.vocab_size,
            "max_position_embeddings": self.context_length,
            "num_hidden_layers": self.layers,
            "hidden_size": self.width,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_width,
            "intermediate_size": self.ffn_width,
            "rope_theta": self.rope_theta,
            "rms_norm_eps": self.norm_eps,
            "hidden_act": "silu",
            "attention_bias": False,
            "tie_word_embeddings": True,
            "dtype": "float32",
        }

    @classmethod
    def from_huggingface(cls, config: dict[str, Any]) -> "ModelConfig":
        """Read a Qwen3 `config.json`, older or newer. Raises UserError for another architecture or a missing field."""
        if config.get("model_type") != "qwen3" or not config.get("tie_word_embeddings", False):
            raise UserError(f"only tied Qwen3 models load here so far, not {config.get('model_type')!r}.")
        try:
            return cls(
                vocab_size=config["vocab_size"],
                context_length=config["max_position_embeddings"],
                layers=config["num_hidden_layers"],
                width=config["hidden_size"],
                heads=config["num_attention_heads"],
                kv_heads=config["num_key_value_heads"],
                head_width=config["head_dim"],
                ffn_width=config["intermediate_size"],
                rope_theta=_rope_theta(config),
                norm_eps=config["rms_norm_eps"],
            )
        except KeyError as error:
            raise UserError(f"the model's config.json lacks {error}.") from error


def _rope_theta(config: dict[str, Any]) -> float:
    """The base of the rotations: transformers 5 writes it into `rope_parameters`, older versions beside the rest."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind != "default":
        raise UserError(f"only unscaled rotary positions load here so far, not {kind!r}.")
    return float(rope["rope_theta"] if "rope_theta" in rope else config["rope_theta"])
