"""The shape of a model, and the one dial that sets it."""

from dataclasses import dataclass
from typing import Any, Literal

from cygnet.errors import UserError
from cygnet.model.fields import count, number
from cygnet.model.rope import RopeScaling, read_rope

# What transformers calls the classes of each architecture. Mistral's computes what Llama's does, within its window.
FAMILIES = {"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3", "smollm3": "SmolLM3"}

FILE = "the model's config.json"
BasePrecision = Literal["float32", "bfloat16", "int8", "nf4"]  # of a model that stays as it is while an adapter learns
MOST_LAYERS = 1024

# Fields that would change what is computed, and the values with which they don't.
_NEUTRAL = {
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "attention_dropout": 0.0,
    "rope_interleaved": False,
    "partial_rotary_factor": 1.0,
    "quantization_config": None,
}


@dataclass(frozen=True)
class ModelConfig:
    """Shape of a Llama, Qwen2, Qwen3 or SmolLM3 decoder. Sizes are counts; `rope_theta` and `norm_eps` as in theirs.

    qk_norm: queries and keys are normalized with a gain (Qwen3). qkv_bias: their projections and the values' have a
    bias (Qwen2). tied: the output matrix is the embedding matrix. unrotated: the layers, counted from 0, that do not
    know positions (SmolLM3).
    """

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
    qk_norm: bool = True
    qkv_bias: bool = False
    tied: bool = True
    rope_scaling: RopeScaling | None = None
    unrotated: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.heads % self.kv_heads:
            raise UserError(f"{self.heads} attention heads can't share {self.kv_heads} key-value heads evenly.")
        if self.head_width % 2:
            raise UserError(f"heads of {self.head_width} numbers can't be rotated in pairs.")
        if self.qk_norm + self.qkv_bias + bool(self.unrotated) > 1:
            raise UserError(
                "no architecture known here has two of: normalized queries, biases, layers without positions."
            )

    @property
    def family(self) -> str:
        """The `model_type` of the architecture that has these parts."""
        if self.unrotated:
            return "smollm3"
        return "qwen3" if self.qk_norm else "qwen2" if self.qkv_bias else "llama"

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

    @property
    def on_dial(self) -> bool:
        """Whether `from_depth` makes this shape: then the model was pretrained here, where no others are made."""
        return self == ModelConfig.from_depth(self.layers, self.vocab_size, self.context_length)

    def to_huggingface(self) -> dict[str, Any]:
        """The fields of a `config.json`."""
        fields = {
            "model_type": self.family,
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
            "tie_word_embeddings": self.tied,
            "dtype": "float32",
        }
        if self.unrotated:
            fields["no_rope_layers"] = [int(layer not in self.unrotated) for layer in range(self.layers)]
        return fields | ({"rope_scaling": self.rope_scaling.to_huggingface()} if self.rope_scaling else {})

    @classmethod
    def from_huggingface(cls, config: dict[str, Any]) -> "ModelConfig":
        """Read a `config.json` of the Llama, Mistral, Qwen2, Qwen3 or SmolLM3 family, older or newer.

        Where layers look at a window only, the context is cut to it: within one window they see all there is.

        Raises UserError for another architecture, a missing field, and a setting that can't be represented.
        """
        family = config.get("model_type")
        if not isinstance(family, str) or family not in FAMILIES:
            raise UserError(f"models of the types {', '.join(FAMILIES)} load here, not {family!r:.60}.")
        _check_neutral(config)
        config = _complete(config)
        try:
            rope_theta, rope_scaling = read_rope(config)
            context = count(config, "max_position_embeddings", FILE)
            layers = count(config, "num_hidden_layers", FILE, MOST_LAYERS)
            return cls(
                vocab_size=count(config, "vocab_size", FILE),
                context_length=min(context, window_of(config) or context),
                layers=layers,
                width=count(config, "hidden_size", FILE),
                heads=count(config, "num_attention_heads", FILE),
                kv_heads=count(config, "num_key_value_heads", FILE),
                head_width=count(config, "head_dim", FILE),
                ffn_width=count(config, "intermediate_size", FILE),
                rope_theta=rope_theta,
                norm_eps=number(config, "rms_norm_eps", FILE),
                qk_norm=family == "qwen3",
                qkv_bias=family == "qwen2",
                tied=config["tie_word_embeddings"],
                rope_scaling=rope_scaling,
                unrotated=_unrotated(config, layers) if family == "smollm3" else (),
            )
        except KeyError as error:
            raise UserError(f"{FILE} lacks {error}.") from error


def _check_neutral(config: dict[str, Any]) -> None:
    for name, neutral in _NEUTRAL.items():
        if config.get(name) not in (None, neutral):
            raise UserError(f"{FILE} sets {name}, which can't be represented here: {config[name]!r:.60}.")
    tied = config.get("tie_word_embeddings")
    if tied is not None and not isinstance(tied, bool):
        raise UserError(f"{FILE} has tie_word_embeddings = {tied!r:.60}, which should be true or false.")


def window_of(config: dict[str, Any]) -> int | None:
    """How many tokens back, itself included, the layers of a `config.json` look that look least far; None for all."""
    kinds = config.get("layer_types") or []
    if not isinstance(kinds, list) or any(kind not in ("full_attention", "sliding_attention") for kind in kinds):
        raise UserError(f"{FILE} has layer_types = {kinds!r:.60}, which can't be represented here.")
    if config.get("model_type") == "mistral":
        slides = True
    else:
        slides = "sliding_attention" in kinds if kinds else bool(config.get("use_sliding_window"))
    return count(config, "sliding_window", FILE) if slides and config.get("sliding_window") is not None else None


def _unrotated(config: dict[str, Any], layers: int) -> tuple[int, ...]:
    """SmolLM3's layers without positions: those that no_rope_layers marks with a 0, or each fourth."""
    marks = config.get("no_rope_layers")
    if marks is None:
        every = count(config, "no_rope_layer_interval", FILE)
        return tuple(range(every - 1, layers, every))
    if not isinstance(marks, list) or len(marks) != layers or any(mark not in (0, 1) for mark in marks):
        raise UserError(f"{FILE} has no_rope_layers = {marks!r:.60}, which should be {layers} times 0 or 1.")
    return tuple(layer for layer, rotated in enumerate(marks) if not rotated)


def _complete(config: dict[str, Any]) -> dict[str, Any]:
    """With the values of transformers' classes where a file says nothing."""
    said = {name: value for name, value in config.items() if value is not None}
    assumed: dict[str, Any] = {"tie_word_embeddings": False}
    if "sliding_window" not in config:  # where null says that there is none
        assumed["sliding_window"] = 4096
    if said["model_type"] == "llama":
        assumed |= {"num_key_value_heads": said.get("num_attention_heads"), "rope_theta": 10_000.0}
    if said["model_type"] == "mistral":
        assumed |= {"num_key_value_heads": 8, "rope_theta": 10_000.0}
    if said["model_type"] == "smollm3":
        assumed |= {"num_key_value_heads": 4, "rope_theta": 2_000_000.0, "tie_word_embeddings": True}
        assumed["no_rope_layer_interval"] = 4
    if said["model_type"] == "qwen3":
        assumed["head_dim"] = 128
    elif "hidden_size" in said and "num_attention_heads" in said:
        assumed["head_dim"] = count(said, "hidden_size", FILE) // count(said, "num_attention_heads", FILE)
    return assumed | said
