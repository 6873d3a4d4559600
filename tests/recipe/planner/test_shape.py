from math import isclose

from hypothesis import given, settings
from hypothesis import strategies as st

from cygnet.model.config import ModelConfig
from cygnet.model.transformer import Transformer
from cygnet.recipe.planner.shape import (
    flops_per_token,
    nearest_depth,
    nearest_shape,
    on_the_dial,
    parameter_count,
    shapes,
)

CONFIGS = st.builds(
    lambda vocab_size, layers, heads, kv, ffn_width, kind, tied: ModelConfig(
        *(vocab_size, 64, layers, 8 * heads * kv, heads * kv, kv, 4, ffn_width),
        qk_norm=kind == "qwen3",
        qkv_bias=kind == "qwen2",
        tied=tied,
    ),
    *(st.integers(1, 300), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 99)),
    st.sampled_from(["qwen2", "qwen3", "llama"]),
    st.booleans(),
)
COUNTS = st.floats(1e4, 1e12)


@settings(max_examples=25, deadline=None)
@given(CONFIGS)
def test_parameters_are_those_of_the_model(config: ModelConfig) -> None:
    assert parameter_count(config) == sum(parameter.numel() for parameter in Transformer(config).parameters())


@given(st.integers(1, 64), st.sampled_from([512, 32_768]))
def test_flops_are_six_a_parameter_and_attention(depth: int, vocab_size: int) -> None:
    shape = ModelConfig.from_depth(depth, vocab_size, 256)
    attention = 12 * depth * 256 * shape.width
    assert isclose(flops_per_token(shape) - attention, 6 * parameter_count(shape), rel_tol=0.01)  # but for the norms


def test_shapes_go_from_smaller_to_larger() -> None:
    for vocab_size in (300, 2_048, 65_536):
        counts = [parameter_count(shape) for shape in shapes(vocab_size, 256)]
        assert counts == sorted(set(counts))


@given(COUNTS, COUNTS)
def test_more_parameters_never_get_a_smaller_shape(one: float, other: float) -> None:
    smaller, larger = (parameter_count(nearest_shape(each, 2_048, 256)) for each in sorted((one, other)))
    assert smaller <= larger


def test_a_shape_is_its_own_nearest_and_knows_its_dial() -> None:
    for shape in shapes(2_048, 256)[:40]:
        assert nearest_shape(parameter_count(shape), 2_048, 256) == shape
        if on_the_dial(shape):
            assert nearest_depth(shape) == shape.layers
    assert [on_the_dial(shape) for shape in shapes(2_048, 256)[30:34]] == [True, True, False, False]
