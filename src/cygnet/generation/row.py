"""One completion while it is being written."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from cygnet.generation.grammar import Grammar
from cygnet.generation.request import Completion, FinishReason, Sampling
from cygnet.tokens.tokenizer import Tokenizer


@dataclass(eq=False)
class Row:
    """A sample of one prompt.

    prompt: one object for all samples of a request. limit: most tokens to add. noise: [limit] uniform numbers.
    read: how many tokens, of prompt and completion, the cache holds; place: in which of its rows; cached: how many of
    the prompt's it held already. turn: where the assistant's present turn begins. seen: which tokens were read or
    written, for the repetition penalty. grammar: how far the text has come under the constraint.
    """

    prompt: list[int]
    sampling: Sampling
    limit: int
    noise: np.ndarray
    tokenizer: Tokenizer
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    sampled: list[bool] = field(default_factory=list)
    top: list[list[tuple[int, float]]] = field(default_factory=list)
    text: bytearray = field(default_factory=bytearray)
    read: int = 0
    cached: int = 0
    place: int = 0
    turn: int = 0
    seen: Tensor | None = None
    grammar: Grammar | None = None
    finish_reason: FinishReason | None = None

    def __post_init__(self) -> None:
        settings = replace(self.sampling, seed=0, stop=(), max_new_tokens=0, constraint=None)
        self.style = f"{settings} {self.grammar is None}"  # rows of one style choose together

    def unread(self) -> list[int]:
        """What the model has not read yet."""
        if self.read >= len(self.prompt):
            return self.tokens[self.read - len(self.prompt) :]
        return [*self.prompt[self.read :], *self.tokens]

    def behind(self) -> bool:
        """Whether there is more to read than the newest token."""
        return len(self.prompt) + len(self.tokens) - self.read > 1

    def note_seen(self, vocabulary: int) -> None:
        """Begin to keep track of what was read or written, which the repetition penalty asks for."""
        self.seen = torch.zeros(vocabulary, dtype=torch.bool)
        self.seen[torch.as_tensor(self.prompt)] = True

    def add(self, token: int, logprob: float, sampled: bool = True) -> None:
        """Append a token; the row is finished when there is no room for more, or a stop string appeared."""
        self.tokens.append(token)
        self.logprobs.append(logprob)
        self.sampled.append(sampled)
        if self.sampling.logprobs and not sampled:
            self.top.append([])  # there was nothing to choose from
        if self.seen is not None:
            self.seen[token] = True
        if self.sampling.stop and self._hit_stop(token):
            self.finish_reason = "stop"
        elif len(self.tokens) >= self.limit and self.finish_reason is None:
            self.finish_reason = "length"

    def force(self, tokens: Sequence[int]) -> None:
        """Append tokens that the model did not choose, as far as there is room."""
        for token in tokens:
            if self.finish_reason is not None:
                return
            self.add(token, 0.0, sampled=False)

    def obey(self, token: int | None = None) -> None:
        """Tell the grammar of a token that was added (None: of the start), and add what it leaves no choice about."""
        if self.grammar is None:
            return
        if token is not None:
            self.grammar.take(token)
        while self.finish_reason is None and (forced := self.grammar.forced()):
            for number in forced[: self.limit - len(self.tokens)]:
                self.grammar.take(number)
                self.add(number, 0.0, sampled=False)
        if self.grammar.finished:
            self.finish_reason = "stop"

    def completion(self) -> Completion:
        """What was written, without what follows from the first stop string on."""
        kept = self.settled() if self.finish_reason == "stop" else len(self.tokens)
        reason = self.finish_reason or "length"
        begun = len(self.tokenizer.decode_bytes(self.tokens[:kept])) if kept < len(self.tokens) else len(self.text)
        tail = bytes(self.text[begun : self._stop_place()])
        return Completion(
            self.tokens[:kept], self.logprobs[:kept], self.sampled[:kept], reason, self.top[:kept], self.cached, tail
        )

    def settled(self) -> int:
        """How many of the tokens are sure to stay: a stop string may have begun in the others."""
        if not self.sampling.stop:
            return len(self.tokens)
        place, kept, length = self._stop_place(), len(self.tokens), len(self.text)
        while length > place:
            kept -= 1
            length -= len(self.tokenizer.decode_bytes([self.tokens[kept]]))
        return kept

    def _hit_stop(self, token: int) -> bool:
        piece = self.tokenizer.decode_bytes([token])
        self.text += piece
        return any(
            self.text.find(stop.encode(), max(0, len(self.text) - len(piece) - len(stop.encode()))) >= 0
            for stop in self.sampling.stop
        )

    def _stop_place(self) -> int:
        """Where in the text the first stop string begins, or the longest beginning of one with which the text ends."""
        stops = [stop.encode() for stop in self.sampling.stop]
        found = [place for stop in stops if (place := self.text.find(stop)) >= 0]
        if found or self.finish_reason is not None:
            return min(found, default=len(self.text))
        begun = (n for stop in stops for n in range(1, len(stop)) if self.text.endswith(stop[:n]))
        return len(self.text) - max(begun, default=0)
