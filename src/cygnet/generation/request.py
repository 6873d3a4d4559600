"""What is asked of a decoder and what it gives back. Nothing here imports torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cygnet.errors import UserError
from cygnet.generation.constraint import Constraint

_COLDEST = 1e-4  # below, dividing by it makes infinities
_FINE = {
    "temperature": f"use 0 for the likeliest token, otherwise at least {_COLDEST}",
    "top_k": "use 0 for all tokens, otherwise how many",
    "top_p": "use a probability above 0, at most 1",
    "min_p": "use a share from 0 to 1",
    "repetition_penalty": "use a number above 0; 1 does nothing",
    "max_new_tokens": "ask for at least one",
    "stop": "an empty string would stop before the first token",
    "seed": "use a whole number from 0 on",
    "logprobs": "use None, or how many likeliest tokens are told",
}

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Sampling:
    """Settings of one request.

    temperature: divides the logits; 0 takes the likeliest token.
    top_k: keep the k likeliest tokens (0: all). top_p: keep the likeliest tokens that make up this probability.
    min_p: drop tokens less likely than this share of the likeliest one's probability.
    repetition_penalty: logits of tokens that were read or written are divided by it if positive, else multiplied
        (Keskar et al. 2019, arXiv 1909.05858); 1 does nothing.
    logit_bias: added to the logits of these token ids.
    max_new_tokens: at most this many tokens are added, a tool's included.
    stop: strings at whose first appearance the text ends (they are left out).
    seed: of the random numbers; request i of a batch uses (seed, i), so its answer does not depend on the others.
    logprobs: None: none in the reply; 0: of the chosen tokens; k: of the k likeliest tokens in every place too.
    constraint: what the text must be. It is only sure to be complete when the completion has not run out of tokens.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    max_new_tokens: int = 128
    stop: tuple[str, ...] = ()
    seed: int = 0
    logprobs: int | None = None
    constraint: Constraint | None = None

    def check(self) -> None:
        """Raise UserError for what makes no sense, with its name."""
        fine = {
            "temperature": self.temperature == 0 or self.temperature >= _COLDEST,
            "top_k": self.top_k >= 0,
            "top_p": 0 < self.top_p <= 1,
            "min_p": 0 <= self.min_p <= 1,
            "repetition_penalty": self.repetition_penalty > 0,
            "max_new_tokens": self.max_new_tokens >= 1,
            "stop": all(self.stop),
            "seed": self.seed >= 0,
            "logprobs": self.logprobs is None or self.logprobs >= 0,
        }
        for name, is_fine in fine.items():
            if not is_fine:
                raise UserError(f"{name} is {getattr(self, name)!r}: {_FINE[name]}.")


@dataclass(frozen=True)
class Completion:
    """What was added to a prompt, in tokens.

    tokens: ids, the final end-of-turn token included if there is one.
    logprobs: log-probability of each token at the sampling temperature over the whole vocabulary, in nats.
    sampled: False where a tool wrote the token, or a constraint left no choice.
    finish_reason: "stop" at the end of turn, or a stop string, "length" when max_new_tokens ran out.
    top: for every token the likeliest (id, log-probability) in its place, as many as `Sampling.logprobs`; none where
        it was not sampled.
    cached: how many of the prompt's tokens did not have to be read, because they had been before.
    tail: bytes of text after the tokens: what stands before a stop string in the token in which it begins.
    """

    tokens: list[int]
    logprobs: list[float]
    sampled: list[bool]
    finish_reason: FinishReason
    top: list[list[tuple[int, float]]] = field(default_factory=list)
    cached: int = 0
    tail: bytes = b""
