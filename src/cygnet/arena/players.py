"""Who plays: ways to get one answer to each prompt out of a model."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from cygnet.generation import Sampling
from cygnet.lm import Answer, LanguageModel, RewardModel
from cygnet.tokens.chat import Message

Conversation = Sequence[Message]


class Player(Protocol):
    """Gives one answer to each prompt."""

    def answers(self, prompts: Sequence[Conversation]) -> list[Answer]:
        """Answers in the prompts' order."""
        ...


class Chat:
    """A tuned model, asked in its chat format."""

    def __init__(self, model: LanguageModel, sampling: Sampling) -> None:
        self._model, self._sampling = model, sampling

    def answers(self, prompts: Sequence[Conversation]) -> list[Answer]:
        """One sample each."""
        return [found[0] for found in self._model.generate(prompts, self._sampling)]


class FewShot:
    """A base model, shown a document of worked examples that the prompt continues ("State of GPT": base models are not
    assistants, but they can be tricked into one)."""

    _NEXT = "\n\nQ:"

    def __init__(self, model: LanguageModel, examples: str, sampling: Sampling) -> None:
        self._model, self._examples = model, examples
        self._sampling = replace(sampling, stop=(self._NEXT,))

    def answers(self, prompts: Sequence[Conversation]) -> list[Answer]:
        """One sample each, up to where the document's next question would begin."""
        documents = [f"{self._examples}{self._NEXT} {prompt[-1]['content']}\nA:" for prompt in prompts]
        found = [answers[0] for answers in self._model.generate(documents, self._sampling)]
        return [replace(answer, text=answer.text.strip()) for answer in found]


class BestOf:
    """A tuned model that answers several times; the reward model picks (rejection sampling)."""

    def __init__(self, model: LanguageModel, reward: RewardModel, count: int, sampling: Sampling) -> None:
        self._model, self._reward, self._count, self._sampling = model, reward, count, sampling

    def answers(self, prompts: Sequence[Conversation]) -> list[Answer]:
        """The sample with the highest reward, each."""
        best = []
        for prompt, candidates in zip(prompts, self._model.generate(prompts, self._sampling, self._count), strict=True):
            scores = self._reward.score([prompt] * len(candidates), candidates)
            best.append(candidates[scores.index(max(scores))])
        return best
