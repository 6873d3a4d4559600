import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.errors import UserError
from cygnet.model.config import ModelConfig
from cygnet.model.rope import Linear, Llama3, Yarn


@given(st.integers(1, 40))
def test_the_dial_sets_everything(depth: int) -> None:
    config = ModelConfig.from_depth(depth, vocab_size=500, context_length=128)
    assert (config.layers, config.width) == (depth, 32 * depth)
    assert config.heads * config.head_width == config.width
    assert config.ffn_width % 32 == 0
    assert 0 <= config.ffn_width - 8 * config.width / 3 < 32


@given(st.integers(1, 40))
def test_a_model_of_the_dial_is_known_by_its_shape(depth: int) -> None:
    config = ModelConfig.from_depth(depth, vocab_size=500, context_length=128)
    assert ModelConfig.from_huggingface(json.loads(json.dumps(config.to_huggingface()))).on_dial
    others: dict[str, Any] = {"ffn_width": 8, "qk_norm": False, "tied": False, "rope_theta": 5e5, "layers": depth + 1}
    assert not any(replace(config, **{name: value}).on_dial for name, value in others.items())


@pytest.mark.parametrize(
    ("parts", "family"),
    [
        ({}, "qwen3"),
        ({"qk_norm": False, "tied": False, "rope_scaling": Llama3(8.0, 1.0, 4.0, 32)}, "llama"),
        ({"qk_norm": False, "qkv_bias": True, "rope_scaling": Yarn(4.0, 32, 1.1)}, "qwen2"),
        ({"rope_scaling": Linear(2.0)}, "qwen3"),
        ({"qk_norm": False, "unrotated": (0, 2)}, "smollm3"),
    ],
)
def test_a_config_comes_back_from_huggingface_form(parts: dict[str, Any], family: str) -> None:
    config = ModelConfig(500, 64, 3, 96, heads=6, kv_heads=2, head_width=16, ffn_width=256, rope_theta=5e5, **parts)
    assert config.family == family
    assert ModelConfig.from_huggingface(config.to_huggingface()) == config


def test_a_llama_that_says_little_is_the_first_one() -> None:
    fields = ModelConfig(500, 64, 3, 96, 6, 6, 16, 256, qk_norm=False, tied=False).to_huggingface()
    silent = {"head_dim", "num_key_value_heads", "rope_theta", "tie_word_embeddings"}
    said = {name: value for name, value in fields.items() if name not in silent}
    assert ModelConfig.from_huggingface(said) == ModelConfig.from_huggingface(fields)


def test_shapes_that_cannot_be() -> None:
    with pytest.raises(UserError, match="no architecture known here has two of"):
        ModelConfig(500, 64, 4, 64, heads=4, kv_heads=4, head_width=16, ffn_width=128, unrotated=(3,))
    with pytest.raises(UserError, match="depth must be at least 1, not 0"):
        ModelConfig.from_depth(0, 500, 64)
    with pytest.raises(UserError, match="4 attention heads can't share 3 key-value heads evenly"):
        ModelConfig(500, 64, 1, 64, heads=4, kv_heads=3, head_width=16, ffn_width=128)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "mamba"}, "models of the types llama, mistral, qwen2, qwen3, smollm3 load here"),
        ({"use_sliding_window": True, "sliding_window": 0}, "sliding_window = 0, which should be a whole number"),
        ({"hidden_size": None}, "lacks 'hidden_size'"),
        ({"rope_theta": None}, "lacks 'rope_theta'"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "lacks 'low_freq_factor'"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "lacks 'original_max_position_embeddings'"),
        (
            {"rope_theta": 1.0, "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 9}},
            "is yarn, which needs a rope_theta above 1, not 1",
        ),
        ({"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4}}, "lacks 'factor'"),
        (
            {"rope_scaling": {"type": "dynamic", "factor": 2.0}},
            "rotary positions load here unscaled, linear, llama3 or yarn, not 'dynamic'",
        ),
    ],
)
def test_other_architectures_are_refused(change: dict, message: str) -> None:
    fields = {**ModelConfig.from_depth(1, 500, 64).to_huggingface(), **change}
    with pytest.raises(UserError, match=message):
        ModelConfig.from_huggingface({name: value for name, value in fields.items() if value is not None})
