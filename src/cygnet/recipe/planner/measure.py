"""How fast this machine trains: a few steps of the recipe's own model, timed."""

import time
from collections.abc import Callable

from cygnet.model.config import ModelConfig
from cygnet.recipe.planner.shape import flops_per_token
from cygnet.recipe.schema import Recipe

_SECONDS = 2.0
_FEWEST = 4


def training_rate(recipe: Recipe) -> float:
    """FLOP/s that pretraining with `recipe` reaches here and now, on random tokens, for about two seconds."""
    import torch
    from torch.nn.functional import cross_entropy

    from cygnet.model.transformer import Transformer
    from cygnet.training.optimizers import muon_and_adamw

    config = recipe.pretrain
    shape = ModelConfig.from_depth(config.depth, recipe.tokenizer.vocab_size, config.context_length)
    model = Transformer(shape)
    model.compute_dtype = getattr(torch, config.precision)
    optimizers = muon_and_adamw(model, config.matrix_lr, config.other_lr)
    tokens = torch.randint(0, shape.vocab_size, (config.rows_per_step, shape.context_length))

    def step() -> None:
        torch.autograd.backward(cross_entropy(model(tokens).flatten(0, 1), tokens.flatten()))
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()

    step()  # what is set up once is no part of it
    return tokens.numel() * flops_per_token(shape) / best_seconds(step)


def best_seconds(work: Callable[[], object]) -> float:
    """The least time of `work`, repeated for a while: other work on the machine makes single repetitions slow."""
    times: list[float] = []
    while sum(times) < _SECONDS or len(times) < _FEWEST:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
