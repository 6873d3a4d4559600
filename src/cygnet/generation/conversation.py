"""A conversation with one model: its turns as token ids, its replies as text while they are written."""

import codecs
from collections.abc import Iterator
from dataclasses import replace

from cygnet.errors import ContextError
from cygnet.generation.engine import Engine
from cygnet.generation.request import Sampling
from cygnet.tokens.chat import Message, render
from cygnet.tokens.tokenizer import ASSISTANT, PYTHON, TOOL

# How a tool call reads: "[python] 17 * 23 = 391", the reply on the next line.
_SHOWN = {PYTHON: "[python] ", TOOL: " = ", ASSISTANT: "\n"}


class Conversation:
    """Remembers what was said, token for token. Each reply is drawn with its own random numbers."""

    def __init__(self, engine: Engine, sampling: Sampling, system: str | None = None) -> None:
        self._engine, self._sampling = engine, sampling
        self._opening: list[Message] = [{"role": "system", "content": system}] if system else []
        self._shown = {engine.tokenizer.id_of(name): text for name, text in _SHOWN.items()}
        self._turns = 0
        self.start_over()

    def start_over(self) -> None:
        """Forget everything but the system message."""
        self._ids = render(self._opening, self._engine.tokenizer).ids

    def reply(self, text: str) -> Iterator[str]:
        """The reply to `text`, in pieces as it is written.

        Raises:
            ContextError: when the conversation has outgrown the model's context; it can go on after `start_over`.
        """
        tokenizer = self._engine.tokenizer
        turn = render([{"role": "user", "content": text}], tokenizer).ids[1:]  # without a second begin mark
        prompt = [*self._ids, *turn, tokenizer.id_of(ASSISTANT)]
        room = self._engine.model.config.context_length
        if len(prompt) >= room:
            raise ContextError(f"the conversation has {len(prompt)} tokens, but this model reads {room}.")
        self._turns += 1
        tokens: list[int] = []
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for token in self._engine.stream(prompt, replace(self._sampling, seed=self._sampling.seed + self._turns)):
            tokens.append(token)
            yield self._show(token, decoder)
        yield decoder.decode(b"", final=True)
        ended = tokens[-1:] == [tokenizer.end_id]
        self._ids = [*prompt, *tokens] if ended else [*prompt, *tokens, tokenizer.end_id]

    def _show(self, token: int, decoder: codecs.IncrementalDecoder) -> str:
        tokenizer = self._engine.tokenizer
        if token == tokenizer.end_id:
            return decoder.decode(b"", final=True)
        return self._shown.get(token) or decoder.decode(tokenizer.decode_bytes([token]))
