"""Who plays: ways to get one answer to each prompt out of a model."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from cygnet.generation import Sampling
from cygnet.lm import LocalModel, Reply, RewardModel
from cygnet.tokens.chat import Message

Conversation = Sequence[Message]


class Player(Protocol):
    """Gives one answer to each prompt."""

    def answers(self, prompts: Sequence[Conversation]) -> list[Reply]:
        """Answers in the prompts' order."""
        ...


class Chat:
    """A tuned model, asked in its chat format."""

    def __init__(self, model: LocalModel, sampling: Sampling) -> None:
        self._model, self._sampling = model, sampling

    def answers(self, prompts: Sequence[Conversation]) -> list[Reply]:
        """One sample each."""
        return [found[0] for found in self._model.generate(prompts, self._sampling)]


class FewShot:
    """A base model, shown a document of worked examples that the prompt continues ("State of GPT": base models are not
    assistants, but they can be tricked into one)."""

    _NEXT = "\n\nQ:"

    def __init__(self, model: LocalModel, examples: Sequence[str], sampling: Sampling) -> None:
        """`examples` are questions with answers ("Q: ...\\nA: ..."), the most telling first."""
        self._model, self._examples = model, examples
        self._sampling = replace(sampling, stop=(self._NEXT,))

    def answers(self, prompts: Sequence[Conversation]) -> list[Reply]:
        """One sample each, up to where the document's next question would begin."""
        documents = [self._document(prompt[-1]["content"]) for prompt in prompts]
        found = [answers[0] for answers in self._model.generate(documents, self._sampling)]
        return [replace(answer, text=answer.text.strip()) for answer in found]

    def _document(self, question: str) -> str:
        """As many examples as leave the answer the room that it may need, then the question."""
        for count in range(len(self._examples), -1, -1):
            document = "\n\n".join([*self._examples[:count], f"Q: {question}\nA:"])
            if self._model.room_after(document) >= self._sampling.max_new_tokens:
                break
        return document


class BestOf:
    """A tuned model that answers several times; the reward model picks (rejection sampling)."""

    def __init__(self, model: LocalModel, reward: RewardModel, count: int, sampling: Sampling) -> None:
        self._model, self._reward, self._count, self._sampling = model, reward, count, sampling

    def answers(self, prompts: Sequence[Conversation]) -> list[Reply]:
        """The finished sample with the highest reward, each."""
        best = []
        for prompt, candidates in zip(prompts, self._model.generate(prompts, self._sampling, self._count), strict=True):
            scores = self._reward.score([prompt] * len(candidates), candidates)
            order = [(answer.finished, score) for answer, score in zip(candidates, scores, strict=True)]
            best.append(candidates[order.index(max(order))])
        return best
