"""A technique in a model's place: whoever asks it gets the technique's answers."""

import json
from collections.abc import Generator, Sequence
from typing import Any

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel, Prompt, Reply
from cygnet.techniques.base import Technique

_DEFAULT = Sampling()


class TechniqueModel(LanguageModel):
    """Answers the last message of a conversation, the user's, by a technique; of a text, all of it is the question.

    A reply is the answer's value, or its text where it has none; its usage is that of everything it took. The technique
    has settings of its own: of a `Sampling` only the seed counts. What would shape the text itself (constraint, stop,
    logit_bias) is refused.
    """

    def __init__(self, technique: Technique, name: str | None = None) -> None:
        self._technique = technique
        self.name, self.local = name or technique.lm.name, technique.lm.local

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling | Sequence[Sampling] = _DEFAULT, n: int = 1
    ) -> list[list[Reply]]:
        """`n` answers to each prompt; the i-th has the seed that is i higher.

        Raises UserError for a conversation that doesn't end with the user, and for settings it can't keep to.
        """
        samplings = [sampling] * len(prompts) if isinstance(sampling, Sampling) else sampling
        asked = [(_question(prompt), _seed(own)) for prompt, own in zip(prompts, samplings, strict=True)]
        return [[self._reply(question, seed + i) for i in range(n)] for question, seed in asked]

    def stream(self, prompt: Prompt, sampling: Sampling = _DEFAULT) -> Generator[str, None, Reply]:
        """The answer in one piece: until it is there, nobody knows how it begins."""
        reply = self._reply(_question(prompt), _seed(sampling))
        yield reply.text
        return reply

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str], top: int = 0) -> list[Reply]:  # noqa: ARG002
        """Raises UserError: a technique has no probabilities."""
        raise UserError("a technique answers questions; it can't tell how likely a text is. Ask its model.")

    def _reply(self, question: str, seed: int) -> Reply:
        answer = self._technique(question, seed)
        return Reply(answer.text if answer.value is None else _text(answer.value), "stop", answer.usage)


def _text(value: Any) -> str:
    """A value as text: lists and objects as JSON."""
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else str(value)


def _question(prompt: Prompt) -> str:
    if isinstance(prompt, str):
        return prompt
    if not prompt or prompt[-1]["role"] != "user":
        raise UserError("a technique answers the user: the last message must be theirs.")
    return str(prompt[-1]["content"])


def _seed(sampling: Sampling) -> int:
    refused = {"a response format": sampling.constraint, "stop": sampling.stop, "logit_bias": sampling.logit_bias}
    for name, value in refused.items():
        if value:
            raise UserError(f"{name} is not supported here: a technique answers by settings of its own.")
    return sampling.seed
