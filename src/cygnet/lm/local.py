"""Models in folders on this machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cygnet.generation import Completion, Engine, Sampling
from cygnet.model.folder import load_language_model, load_scalar_model
from cygnet.model.transformer import ScalarModel, Transformer
from cygnet.stages.reward import score_sequences
from cygnet.tokens.chat import Message, render_prompt, response_text
from cygnet.tokens.tokenizer import Tokenizer

Prompt = str | Sequence[Message]


@dataclass(frozen=True)
class Answer:
    """One completion as text (tool calls by their special tokens' names), and whether the model ended it itself."""

    text: str
    finished: bool
    completion: Completion


class LanguageModel:
    """A model folder, asked in words: a string is a document to continue, messages are a conversation to answer."""

    def __init__(self, model: Transformer, tokenizer: Tokenizer) -> None:
        self.model, self.tokenizer = model, tokenizer
        self._engine = Engine(model, tokenizer)

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling, n: int = 1) -> list[list[Answer]]:
        """`n` answers to each prompt. Raises UserError when a prompt is longer than the model's context."""
        ids = [self._ids(prompt) for prompt in prompts]
        return [[self._answer(item) for item in found] for found in self._engine.generate(ids, sampling, n)]

    @torch.no_grad()
    def probabilities(self, prompt: Prompt, answer: Answer, alternatives: int = 5) -> list[dict[str, Any]]:
        """For each token of an answer: its text, its log-probability, and the likeliest tokens in its place."""
        ids = self._ids(prompt)
        tokens = answer.completion.tokens
        logits = self.model(torch.tensor([[*ids, *tokens[:-1]]]))[0, len(ids) - 1 :]
        logprobs = torch.log_softmax(logits, dim=-1)
        best = logprobs.topk(alternatives, dim=-1)
        return [
            {
                "text": self.tokenizer.decode([token]),
                "logprob": float(logprobs[place, token]),
                "top": [
                    [self.tokenizer.decode([int(other)]), float(value)]
                    for other, value in zip(best.indices[place], best.values[place], strict=True)
                ],
            }
            for place, token in enumerate(tokens)
        ]

    def room_after(self, prompt: Prompt) -> int:
        """How many tokens the model can still read after a prompt."""
        return self.model.config.context_length - len(self._ids(prompt))

    def _ids(self, prompt: Prompt) -> list[int]:
        if isinstance(prompt, str):
            return [self.tokenizer.bos_id, *self.tokenizer.encode(prompt)]
        return render_prompt(prompt, self.tokenizer)

    def _answer(self, completion: Completion) -> Answer:
        return Answer(response_text(completion.tokens, self.tokenizer), completion.finish_reason == "stop", completion)


class RewardModel:
    """A reward model folder: scores with mean 0 and deviation 1 over the SFT model's own answers."""

    def __init__(self, model: ScalarModel, tokenizer: Tokenizer) -> None:
        self.model, self.tokenizer = model, tokenizer

    def score(self, prompts: Sequence[Sequence[Message]], answers: Sequence[Answer]) -> list[float]:
        """One score for each answer to each prompt; the answers must come from a model with the same tokenizer."""
        sequences = [
            [*render_prompt(prompt, self.tokenizer), *answer.completion.tokens]
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        raw = score_sequences(self.model, self.tokenizer, sequences)
        return [float(value) for value in (raw - self.model.mean) / self.model.scale]


def load(folder: Path) -> LanguageModel:
    """Open a language model folder. Raises UserError when it is missing, damaged or of another kind."""
    return LanguageModel(*load_language_model(folder))


def load_reward(folder: Path) -> RewardModel:
    """Open a reward model folder. Raises UserError when it is missing, damaged or of another kind."""
    return RewardModel(*load_scalar_model(folder))
