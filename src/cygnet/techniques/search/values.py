"""What a language model thinks of a state, as a number from 0 to 1."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Generic

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lm.base import Prompt, Token
from cygnet.techniques.base import Ask, Asking
from cygnet.techniques.parsing import Parser, one_of
from cygnet.techniques.search.problem import State

# Yao et al. add up 20, 1 and 0.001 over three verdicts; a twentieth of that and the mean give the same order.
_WORTH = MappingProxyType({"sure": 1.0, "likely": 0.05, "impossible": 0.00005})

_JUDGMENT = Sampling(temperature=0.7, max_new_tokens=128)


@dataclass(frozen=True)
class Odds(Generic[State]):
    """The probability of `yes` against `no` as the model's next word: one token for a state.

    prompt: what is asked about a state. Best it begins with what the state was proposed by, which the model has read.
    A word that comes as several tokens counts by its first; where neither is among the `alternatives` likeliest, the
    model has no opinion, which is 0.5. Raises UserError when the model doesn't tell its likeliest tokens.
    """

    prompt: Callable[[State], Prompt]
    yes: str = "yes"
    no: str = "no"
    alternatives: int = 20

    def __call__(self, state: State) -> Asking[float]:
        """Ask for one token, and look at its alternatives."""
        sampling = Sampling(temperature=1.0, max_new_tokens=1, logprobs=self.alternatives)
        [[reply]] = yield [Ask(self.prompt(state), sampling, name="value")]
        if reply.text and not (reply.tokens and reply.tokens[0].top):
            raise UserError("this model doesn't tell its likeliest tokens: ask it for Verdicts instead of Odds.")
        weights = _weights(reply.tokens[0]) if reply.tokens else {}
        yes, no = (_mass(weights, word, other) for word, other in ((self.yes, self.no), (self.no, self.yes)))
        return yes / (yes + no) if yes + no else 0.5


@dataclass(frozen=True)
class Verdicts(Generic[State]):
    """The mean worth of `samples` judgments in words (Yao et al. 2023); a judgment without one of the words is worth 0.

    prompt: what is asked about a state. worth: of each word; of those that a judgment contains, the last counts.
    """

    prompt: Callable[[State], Prompt]
    worth: Mapping[str, float] = field(default_factory=lambda: _WORTH)
    samples: int = 3
    sampling: Sampling = _JUDGMENT
    _read: Parser = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise UserError(f"a state can't be judged by {self.samples} verdicts: take at least 1.")
        object.__setattr__(self, "_read", one_of(list(self.worth)))

    def __call__(self, state: State) -> Asking[float]:
        """Ask for all verdicts in one request."""
        [replies] = yield [Ask(self.prompt(state), self.sampling, self.samples, "value")]
        words = (self._read(reply.text) for reply in replies)
        return sum(self.worth[word] for word in words if word) / self.samples


def _weights(token: Token) -> dict[str, float]:
    """Probabilities of the likeliest next tokens and of the chosen one."""
    return {text: math.exp(logprob) for text, logprob in (*token.top, (token.text, token.logprob))}


def _mass(weights: Mapping[str, float], word: str, other: str) -> float:
    """The probability of the tokens that begin one word and not the other."""
    begun = ((text.strip().casefold(), weight) for text, weight in weights.items())
    word, other = word.casefold(), other.casefold()
    return sum(weight for text, weight in begun if text and word.startswith(text) and not other.startswith(text))
