"""How many tokens in one update, and how fast to learn from them."""

from math import log2

from cygnet.model.config import ModelConfig
from cygnet.stages.config import REFERENCE_BATCH, PretrainConfig
from cygnet.training.rates import scaled_lr


def step_law_batch(tokens: float) -> float:
    """Tokens an update, from the tokens to train on: Li et al. 2025, Step Law, arXiv 2503.04715."""
    return float(0.58 * tokens**0.571)


def step_law_rate(parameters: float, tokens: float) -> float:
    """AdamW's peak learning rate, from the parameters outside embeddings and the tokens: Step Law."""
    return float(1.79 * parameters**-0.713 * tokens**0.307)


def deepseek_batch(compute: float) -> float:
    """Tokens an update, from the FLOPs of the training: DeepSeek LLM 2024, arXiv 2401.02954, eq. 1."""
    return float(0.2920 * compute**0.3271)


def deepseek_rate(compute: float) -> float:
    """AdamW's peak learning rate, from the FLOPs of the training: DeepSeek LLM 2024, eq. 1."""
    return float(0.3118 * compute**-0.1250)


def rows_per_step(batch: float, context_length: int, ranks: int) -> int:
    """Rows in one update: the power of two nearest to `batch` tokens, and at least one for each rank."""
    return int(max(2 ** round(max(0.0, log2(batch / context_length))), ranks))


def recipe_rates(shape: ModelConfig, rows: int) -> tuple[float, float]:
    """The learning rates of cygnet's own rule for this width and batch: Muon's, and AdamW's."""
    config = PretrainConfig()
    matrices = scaled_lr(config.matrix_lr, batch=rows, reference_batch=REFERENCE_BATCH)
    others = scaled_lr(config.other_lr, batch=rows, reference_batch=REFERENCE_BATCH, width=shape.width)
    return matrices, others
