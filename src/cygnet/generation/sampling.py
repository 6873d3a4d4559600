"""How the next token is chosen."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """Settings of one request.

    temperature: divides the logits; 0 takes the likeliest token.
    top_k: keep the k likeliest tokens (0: all). top_p: keep the likeliest tokens that make up this probability.
    max_new_tokens: at most this many tokens are added, a tool's included.
    stop: strings at whose first appearance the text ends (they are left out).
    seed: of the random numbers; request i of a batch uses (seed, i), so its answer does not depend on the others.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    max_new_tokens: int = 128
    stop: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Completion:
    """What was added to a prompt.

    tokens: ids, the final end-of-turn token included if there is one.
    logprobs: log-probability of each token at the sampling temperature over the whole vocabulary, in nats.
    sampled: False where a tool, not the model, wrote the token.
    finish_reason: "stop" at the end of turn or a stop string, "length" when max_new_tokens ran out.
    """

    tokens: list[int]
    logprobs: list[float]
    sampled: list[bool]
    finish_reason: Literal["stop", "length"]


def uniforms(seed: int, requests: list[tuple[int, int]], count: int) -> np.ndarray:
    """[requests, count] random numbers in [0, 1); each row depends only on the seed and its (prompt, sample) pair."""
    return np.stack([np.random.default_rng([seed, *request]).random(count) for request in requests])


def choose(logits: Tensor, noise: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """[B, V] logits and [B] uniforms → chosen ids [B] and their full-vocabulary log-probabilities [B].

    Sampling inverts the cumulative distribution, one uniform a token.
    """
    scaled = logits / sampling.temperature if sampling.temperature > 0 else logits
    logprobs = torch.log_softmax(scaled, dim=-1)
    if sampling.temperature == 0:
        chosen = logprobs.argmax(dim=-1)
    else:
        cumulative = truncate(logprobs.exp(), sampling.top_k, sampling.top_p).double().cumsum(dim=-1)
        chosen = torch.searchsorted(cumulative, noise[:, None] * cumulative[:, -1:], right=True)[:, 0]
        chosen = chosen.clamp(max=logits.shape[-1] - 1)
    return chosen, logprobs.gather(1, chosen[:, None])[:, 0]


def truncate(probabilities: Tensor, top_k: int, top_p: float) -> Tensor:
    """Zero what lies outside of the k likeliest tokens and outside of the top-p nucleus (Holtzman et al. 2020)."""
    if not top_k and top_p >= 1.0:
        return probabilities
    ordered, order = probabilities.sort(dim=-1, descending=True)
    outside = ordered.cumsum(dim=-1) - ordered >= top_p
    if top_k:
        outside[:, top_k:] = True
    return probabilities.masked_fill(outside.gather(1, order.argsort(dim=-1)), 0.0)
