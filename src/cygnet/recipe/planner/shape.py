"""What a shape holds and computes, counted without building it; and the shapes that a plan chooses from."""

from functools import cache
from math import log

from cygnet.model.config import ModelConfig

# The dial sets 32 numbers of width per layer. Beyond this depth models are usually wider for their depth.
DEEPEST_DIAL = 32
_WIDTH_PER_LAYER = 128  # of LLaMA-65B 102, of GPT-3 128, of LLaMA-7B 128
_LARGE_LAYERS = range(13, 257)  # 13 is the first that is larger than the deepest of the dial


def layer_matrices(shape: ModelConfig) -> int:
    """Parameters in the matrices of one layer: attention's four, the feed-forward's three."""
    queries, pairs = shape.heads * shape.head_width, 2 * shape.kv_heads * shape.head_width
    return shape.width * (2 * queries + pairs + 3 * shape.ffn_width)


def layer_vectors(shape: ModelConfig) -> int:
    """Parameters of one layer outside its matrices: norms, gains of queries and keys, biases."""
    gains = 2 * shape.head_width if shape.qk_norm else 0
    biases = (shape.heads + 2 * shape.kv_heads) * shape.head_width if shape.qkv_bias else 0
    return 2 * shape.width + gains + biases


def parameter_count(shape: ModelConfig) -> int:
    """All parameters; an embedding that is also the output matrix counts once."""
    tables = shape.vocab_size * shape.width * (1 if shape.tied else 2)
    return tables + shape.layers * (layer_matrices(shape) + layer_vectors(shape)) + shape.width


def flops_per_token(shape: ModelConfig) -> float:
    """FLOPs to train on one token: 6 a parameter of every matrix product, and 12 · layers · context · width.

    Two a parameter forwards and four backwards (Kaplan et al. 2020, §2.1). Attention is counted over the whole context,
    as in PaLM's appendix B (Chowdhery et al. 2022), though a causal model needs only half of it.
    """
    products = shape.vocab_size * shape.width + shape.layers * layer_matrices(shape)
    return 6 * products + 12 * shape.layers * shape.context_length * shape.heads * shape.head_width


@cache
def shapes(vocab_size: int, context_length: int) -> tuple[ModelConfig, ...]:
    """The shapes a plan chooses from, smaller to larger: the dial, then wider ones with heads of 128."""
    dial = [ModelConfig.from_depth(depth, vocab_size, context_length) for depth in range(1, DEEPEST_DIAL + 1)]
    return (*dial, *(_large(layers, vocab_size, context_length) for layers in _LARGE_LAYERS))


def _large(layers: int, vocab_size: int, context_length: int) -> ModelConfig:
    width = _WIDTH_PER_LAYER * layers
    return ModelConfig(
        vocab_size=vocab_size,
        context_length=context_length,
        layers=layers,
        width=width,
        heads=layers,
        kv_heads=layers,
        head_width=128,
        ffn_width=-(-8 * width // 3 // 256) * 256,
    )


def nearest_shape(parameters: float, vocab_size: int, context_length: int) -> ModelConfig:
    """The shape whose parameter count is nearest by ratio. A larger count never gets a smaller shape."""
    return min(shapes(vocab_size, context_length), key=lambda shape: abs(log(parameter_count(shape) / parameters)))


def end_of_shapes(parameters: float, shape: ModelConfig) -> str | None:
    """Whether `shape` is as near as can be to a count beyond those of all shapes, as the "smallest" or "largest"."""
    among = shapes(shape.vocab_size, shape.context_length)
    if shape == among[0] and parameters < parameter_count(shape):
        return "smallest"
    return "largest" if shape == among[-1] and parameters > parameter_count(shape) else None


def nearest_depth(shape: ModelConfig) -> int:
    """The depth whose parameter count on the dial is nearest to that of `shape`, however deep."""
    wanted, vocab_size, context = parameter_count(shape), shape.vocab_size, shape.context_length
    depth = 1
    while parameter_count(ModelConfig.from_depth(depth + 1, vocab_size, context)) < wanted:
        depth += 1
    counts = {each: parameter_count(ModelConfig.from_depth(each, vocab_size, context)) for each in (depth, depth + 1)}
    return min(counts, key=lambda each: abs(log(counts[each] / wanted)))


def on_the_dial(shape: ModelConfig) -> bool:
    """Whether `depth` alone sets this shape."""
    return shape == ModelConfig.from_depth(shape.layers, shape.vocab_size, shape.context_length)
