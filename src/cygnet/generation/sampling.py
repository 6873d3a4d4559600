"""How the next token is chosen."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from cygnet.generation.request import Sampling


def uniforms(seeds: Sequence[tuple[int, ...]], count: int) -> np.ndarray:
    """[seeds, count] random numbers in [0, 1); each row depends on its own seed alone."""
    return np.stack([np.random.default_rng(seed).random(count) for seed in seeds])


def choose(
    logits: Tensor,
    noise: Tensor,
    sampling: Sampling,
    seen: Tensor | None = None,
    allowed: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """[B, V] logits and [B] uniforms → chosen ids [B] and log-probabilities [B, V] over the full vocabulary.

    Sampling inverts the cumulative distribution, one uniform a token. `seen` [B, V] says which tokens were read or
    written, for the repetition penalty; `allowed` [B, V] which may be chosen. The log-probabilities are the model's own
    at the sampling temperature, before any penalty, bias, constraint or truncation.
    """
    logprobs = torch.log_softmax(_heated(logits, sampling), dim=-1)
    steered = _steered(logits, sampling, seen)
    if allowed is not None:
        steered = steered.masked_fill(~allowed, -torch.inf)
    wanted = logprobs if steered is logits else torch.log_softmax(_heated(steered, sampling), dim=-1)
    if sampling.temperature == 0:
        chosen = wanted.argmax(dim=-1)
    else:
        cumulative = truncate(wanted.exp(), sampling).double().cumsum(dim=-1)
        chosen = torch.searchsorted(cumulative, noise[:, None] * cumulative[:, -1:], right=True)[:, 0]
        chosen = chosen.clamp(max=logits.shape[-1] - 1)
    return chosen, logprobs


def _heated(logits: Tensor, sampling: Sampling) -> Tensor:
    return logits / sampling.temperature if sampling.temperature > 0 else logits


def _steered(logits: Tensor, sampling: Sampling, seen: Tensor | None) -> Tensor:
    """Logits after the repetition penalty (Keskar et al. 2019) and the bias."""
    if sampling.repetition_penalty != 1.0 and seen is not None:
        penalized = torch.where(logits > 0, logits / sampling.repetition_penalty, logits * sampling.repetition_penalty)
        logits = torch.where(seen, penalized, logits)
    if sampling.logit_bias:
        ids = torch.tensor(list(sampling.logit_bias), device=logits.device)
        bias = torch.tensor(list(sampling.logit_bias.values()), device=logits.device)
        logits = logits.index_add(-1, ids, bias.expand(len(logits), -1))
    return logits


def truncate(probabilities: Tensor, sampling: Sampling) -> Tensor:
    """Zero what lies outside of the k likeliest tokens, outside of the top-p nucleus (Holtzman et al. 2020), or below
    min-p times the likeliest (Nguyen et al. 2024, arXiv 2407.01082). The likeliest token always stays."""
    if sampling.min_p > 0:
        lowest = probabilities.max(dim=-1, keepdim=True).values * min(sampling.min_p, 1.0)
        probabilities = probabilities.masked_fill(probabilities < lowest, 0.0)
    if not sampling.top_k and sampling.top_p >= 1.0:
        return probabilities
    ordered, order = probabilities.sort(dim=-1, descending=True)
    outside = ordered.cumsum(dim=-1) - ordered >= sampling.top_p
    if sampling.top_k:
        outside[:, sampling.top_k :] = True
    return probabilities.masked_fill(outside.gather(1, order.argsort(dim=-1)), 0.0)
