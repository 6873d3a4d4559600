"""A conversation with any model, in words."""

from collections.abc import Iterator
from dataclasses import replace

from cygnet.errors import ContextError
from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel
from cygnet.tokens.chat import Message


class Talk:
    """Remembers what was said. Each reply is drawn with its own random numbers."""

    def __init__(self, model: LanguageModel, sampling: Sampling, system: str | None = None) -> None:
        self._model, self._sampling = model, sampling
        self._opening: list[Message] = [{"role": "system", "content": system}] if system else []
        self._turns = 0
        self.start_over()

    def start_over(self) -> None:
        """Forget everything but the system message."""
        self._messages = list(self._opening)

    def reply(self, text: str) -> Iterator[str]:
        """The reply to `text`, in pieces as it is written. What is not answered to its end is not remembered.

        Raises ContextError when the conversation has outgrown the model's context; it can go on after `start_over`.
        """
        asked: list[Message] = [*self._messages, {"role": "user", "content": text}]
        self._turns += 1
        room_after = getattr(self._model, "room_after", None)  # of models on this machine
        if room_after and room_after(asked) < 1:
            raise ContextError("the conversation is longer than this model's context.")
        sampling = replace(self._sampling, seed=self._sampling.seed + self._turns)
        reply = yield from self._model.stream(asked, sampling)
        self._messages = [*asked, {"role": "assistant", "content": reply.text}]
