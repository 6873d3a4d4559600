"""What every language model offers, here or behind an endpoint. Nothing here imports torch."""

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, ParamSpec, TypeVar, overload

from cygnet.errors import UserError
from cygnet.generation.request import Completion, FinishReason, Sampling
from cygnet.tokens.chat import Message

# A string is a document to continue; messages are a conversation to answer.
Prompt = str | Sequence[Message]

# Of the weights of a model on this machine, and of what is computed with them.
Precision = Literal["float32", "bfloat16", "int8"]

P = ParamSpec("P")
T = TypeVar("T")

_DEFAULT = Sampling()


@dataclass(frozen=True)
class Usage:
    """What an answer took. Usages add up.

    A prompt with n answers is read once: its tokens are counted in the first of them.

    prompt_tokens: read, those found in a cache included. cached_tokens: those of them found in a cache.
    completion_tokens: written. seconds: between question and answer. cost: money, in the currency of the price list.
    calls: requests made.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    cost: float = 0.0
    calls: int = 0

    @property
    def tokens(self) -> int:
        """Read and written together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(self)))

    def __radd__(self, other: int) -> "Usage":  # sum() starts at 0
        return self if other == 0 else NotImplemented


@dataclass(frozen=True)
class Token:
    """One token of a reply: its text, its log-probability in nats, and the likeliest texts in its place."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Reply:
    """What a model wrote after a prompt.

    text: special tokens (tool calls) by their names. finish_reason: "stop" when the model ended it itself.
    tokens: with log-probabilities, where `Sampling.logprobs` asked for them.
    completion: token ids, from a model on this machine.
    """

    text: str
    finish_reason: FinishReason
    usage: Usage = field(default_factory=Usage)
    tokens: tuple[Token, ...] = ()
    completion: Completion | None = None

    @property
    def finished(self) -> bool:
        """Whether the model ended the text itself."""
        return self.finish_reason == "stop"

    @property
    def logprob(self) -> float:
        """Log-probability of the whole text in nats. Raises ValueError when log-probabilities were not asked for."""
        if not self.tokens and self.text:
            raise ValueError("the reply has no log-probabilities: ask with Sampling(logprobs=0).")
        return sum(token.logprob for token in self.tokens)


def check_top(top: int) -> None:
    """Raise UserError for a number of likeliest tokens that makes no sense."""
    if top < 0:
        raise UserError(f"top is {top}: use 0 for none, otherwise how many likeliest tokens are told.")


class LanguageModel(ABC):
    """Text or messages in, replies out; one interface over models on this machine and behind endpoints.

    name: what it is called in reports. local: whether prompts are best sent together in one batch (True) or each on
    its own at the same time (False).
    """

    name: str
    local: bool = True

    @overload
    def __call__(self, prompt: Prompt) -> str: ...
    @overload
    def __call__(self, prompt: Prompt, kind: type[T], sampling: Sampling = ...) -> T: ...
    @overload
    def __call__(self, prompt: Prompt, kind: re.Pattern[str], sampling: Sampling = ...) -> str: ...
    @overload
    def __call__(self, prompt: Prompt, kind: Any, sampling: Sampling = ...) -> Any: ...
    def __call__(self, prompt: Prompt, kind: Any = str, sampling: Sampling | None = None) -> Any:
        """What the model writes after a prompt, as a value of the type `kind`: it can write nothing else.

        kind: `str`, `int`, `float`, `bool`, a Literal, an Enum, a list of them, a pydantic model, a dataclass, any type
        of which pydantic knows a JSON schema, or a compiled pattern. sampling: greedy and up to 512 tokens by default.

        Raises UserError for another type, when the tokens ran out before the value was whole, and when a check of the
        type's own refuses it.
        """
        from cygnet.lm.typed import PLAIN, typed_reply  # pydantic is for those who ask for a type

        return typed_reply(self, prompt, kind, sampling or PLAIN)

    @abstractmethod
    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling | Sequence[Sampling] = _DEFAULT, n: int = 1
    ) -> list[list[Reply]]:
        """`n` replies to each prompt. `sampling` is for all prompts, or one for each.

        Raises ContextError for a prompt longer than the model's context, UserError for what this model can't do.
        """

    def generate_until(
        self,
        stopped: Callable[[], bool] | None,
        prompts: Sequence[Prompt],
        sampling: Sampling | Sequence[Sampling] = _DEFAULT,
        n: int = 1,
    ) -> list[list[Reply]]:
        """`generate`, given up with what there is once `stopped` says so, by models that can be interrupted."""
        del stopped
        return self.generate(prompts, sampling, n)

    @abstractmethod
    def stream(self, prompt: Prompt, sampling: Sampling = _DEFAULT) -> Generator[str, None, Reply]:
        """The reply to one prompt in pieces of whole characters, as it is written.

        What the generator returns at its end (the value of `yield from`) is the whole reply.
        """

    @abstractmethod
    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str], top: int = 0) -> list[Reply]:
        """Each continuation as the reply to its prompt, with the log-probability of each of its tokens.

        top: how many of the likeliest tokens are told in each place (`Token.top`). Raises UserError where the model
        can't tell.
        """

    async def agenerate(
        self, prompts: Sequence[Prompt], sampling: Sampling | Sequence[Sampling] = _DEFAULT, n: int = 1
    ) -> list[list[Reply]]:
        """`generate`, without blocking the event loop."""
        return await self._in_thread(self.generate, prompts, sampling, n)

    async def ascore(self, prompts: Sequence[Prompt], continuations: Sequence[str], top: int = 0) -> list[Reply]:
        """`score`, without blocking the event loop."""
        return await self._in_thread(self.score, prompts, continuations, top)

    async def astream(self, prompt: Prompt, sampling: Sampling = _DEFAULT) -> AsyncIterator[str]:
        """`stream`, without blocking the event loop."""
        pieces = self.stream(prompt, sampling)
        while (piece := await self._in_thread(lambda: next(pieces, None))) is not None:
            yield piece

    async def _in_thread(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        return await asyncio.to_thread(function, *arguments, **named)
