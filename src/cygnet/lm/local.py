"""Models in folders on this machine."""

import codecs
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch.nn.utils.rnn import pad_sequence

from cygnet.errors import ContextError, UserError
from cygnet.generation import Completion, Engine, Sampling
from cygnet.lm.base import LanguageModel, Precision, Prompt, Reply, Token, Usage, check_top
from cygnet.model.folder import load_language_model, load_scalar_model
from cygnet.model.int8 import quantize
from cygnet.model.transformer import ScalarModel, Transformer
from cygnet.stages.reward import score_sequences
from cygnet.tokens.chat import Message, render, render_prompt, response_text
from cygnet.tokens.tokenizer import Tokenizer

_DEFAULT = Sampling()
_SCORED_TOGETHER = 32

_Likeliest = list[tuple[int, float]]  # ids and their log-probabilities, the likeliest first


class LocalModel(LanguageModel):
    """A model folder, asked in words; many prompts share batches."""

    def __init__(self, model: Transformer, tokenizer: Tokenizer, name: str = "model") -> None:
        self.model, self.tokenizer, self.name = model, tokenizer, name
        self._engine = Engine(model, tokenizer)

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling | Sequence[Sampling] = _DEFAULT, n: int = 1
    ) -> list[list[Reply]]:
        """`n` replies to each prompt. Raises ContextError when a prompt is longer than the model's context."""
        return self.generate_until(None, prompts, sampling, n)

    def generate_until(
        self,
        stopped: Callable[[], bool] | None,
        prompts: Sequence[Prompt],
        sampling: Sampling | Sequence[Sampling] = _DEFAULT,
        n: int = 1,
    ) -> list[list[Reply]]:
        """`generate`, given up before the next token once `stopped` says so."""
        if n < 1:
            raise UserError(f"n is {n}: ask for at least one reply.")
        began = time.perf_counter()
        ids = [self._ids(prompt) for prompt in prompts]
        samplings = [sampling] * len(ids) if isinstance(sampling, Sampling) else sampling
        found = self._engine.generate(ids, sampling, n, stopped)
        seconds = (time.perf_counter() - began) / max(1, len(ids) * n)
        replies = []
        for prompt, settings, completions in zip(ids, samplings, found, strict=True):
            read = [len(prompt)] + [0] * (n - 1)  # n samples of one prompt read it once
            usages = [
                Usage(tokens, len(item.tokens), item.cached if tokens else 0, seconds)
                for tokens, item in zip(read, completions, strict=True)
            ]
            usages[0] = replace(usages[0], calls=1)
            several = zip(completions, usages, strict=True)
            replies.append([self._reply(item, usage, settings.logprobs is not None) for item, usage in several])
        return replies

    def stream(self, prompt: Prompt, sampling: Sampling = _DEFAULT) -> Generator[str, None, Reply]:
        """The reply to one prompt in pieces of whole characters, as it is written; the generator returns all of it."""
        ids, began = self._ids(prompt), time.perf_counter()
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        tokens = self._engine.stream(ids, sampling)
        last: int | None = None
        while True:
            try:
                token = next(tokens)
            except StopIteration as finished:
                completion: Completion = finished.value
                break
            # The end of a turn is told when another follows it: after a tool call.
            told = [token] if last not in self.tokenizer.end_ids or last is None else [last, token]
            last = token
            if token not in self.tokenizer.end_ids and (piece := decoder.decode(self.tokenizer.decode_bytes(told))):
                yield piece
        if rest := decoder.decode(completion.tail, final=True):
            yield rest
        usage = Usage(len(ids), len(completion.tokens), completion.cached, time.perf_counter() - began, calls=1)
        return self._reply(completion, usage, sampling.logprobs is not None)

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str], top: int = 0) -> list[Reply]:
        """See `LanguageModel.score`. Where nothing at all precedes a token, its log-probability is NaN.

        Raises ContextError when prompt and continuation together are longer than the model's context.
        """
        check_top(top)
        began = time.perf_counter()
        pairs = [
            (self._ids(prompt), self.tokenizer.encode(text))
            for prompt, text in zip(prompts, continuations, strict=True)
        ]
        context = self.model.config.context_length
        for prompt, words in pairs:
            if len(prompt) + len(words) > context:
                raise ContextError(
                    f"{len(prompt)} + {len(words)} tokens are to be scored, but this model reads {context}."
                )
        scores = [
            places
            for start in range(0, len(pairs), _SCORED_TOGETHER)
            for places in self._scores(pairs[start : start + _SCORED_TOGETHER], top)
        ]
        seconds = (time.perf_counter() - began) / max(1, len(pairs))
        return [
            Reply(
                text,
                "stop",
                Usage(len(prompt) + len(words), 0, 0, seconds, calls=1),
                tuple(self._token(i, *place) for i, place in zip(words, places, strict=True)),
            )
            for text, (prompt, words), places in zip(continuations, pairs, scores, strict=True)
        ]

    @torch.no_grad()
    def probabilities(self, prompt: Prompt, reply: Reply, alternatives: int = 5) -> list[dict[str, Any]]:
        """For each token of a reply: its text, its log-probability, and the likeliest tokens in its place."""
        if reply.completion is None:
            raise UserError("the reply has no token ids: it did not come from a model on this machine.")
        ids = self._ids(prompt)
        tokens = reply.completion.tokens
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
            return self.tokenizer.begin(prompt)
        return render_prompt(prompt, self.tokenizer)

    @torch.no_grad()
    def _scores(self, pairs: list[tuple[list[int], list[int]]], top: int) -> list[list[tuple[float, _Likeliest]]]:
        """Log-probabilities of the second of each pair after the first, with the likeliest tokens in each place.

        Rows are padded on the right.
        """
        rows = pad_sequence([torch.tensor([*prompt, *words]) for prompt, words in pairs], batch_first=True)
        features = self.model.features(rows)
        found = []
        for row, (prompt, words) in enumerate(pairs):
            first = max(0, len(prompt) - 1)  # a row at a time: logits of a large vocabulary are large
            logits = self.model.logits(features[row, first : len(prompt) + len(words) - 1])
            after = rows[row, first + 1 : len(prompt) + len(words), None]
            logprobs = torch.log_softmax(logits, dim=-1)
            best = logprobs.topk(min(top, logprobs.shape[-1]), dim=-1)
            likeliest = [
                list(zip(*place, strict=True))
                for place in zip(best.indices.tolist(), best.values.tolist(), strict=True)
            ]
            scores = list(zip(logprobs.gather(-1, after)[:, 0].tolist(), likeliest, strict=True))
            found.append(scores if prompt or not words else [(float("nan"), []), *scores])
        return found

    def _reply(self, completion: Completion, usage: Usage, with_tokens: bool) -> Reply:
        tokens = self._tokens(completion) if with_tokens else ()
        text = response_text(completion.tokens, self.tokenizer, completion.tail)
        return Reply(text, completion.finish_reason, usage, tokens, completion)

    def _tokens(self, completion: Completion) -> tuple[Token, ...]:
        top = completion.top or [[] for _ in completion.tokens]
        return tuple(map(self._token, completion.tokens, completion.logprobs, top))

    def _token(self, token: int, logprob: float, likeliest: _Likeliest) -> Token:
        text = self.tokenizer.decode
        return Token(text([token]), logprob, tuple((text([other]), value) for other, value in likeliest))


class Written(Protocol):
    """What has been written."""

    @property
    def text(self) -> str:
        """All of it."""
        ...


class RewardModel:
    """A reward model folder: scores with mean 0 and deviation 1 over the SFT model's own answers."""

    def __init__(self, model: ScalarModel, tokenizer: Tokenizer) -> None:
        self.model, self.tokenizer = model, tokenizer

    def score(self, prompts: Sequence[Sequence[Message]], replies: Sequence[Reply]) -> list[float]:
        """One score for each reply to each prompt; the replies must come from a model with the same tokenizer."""
        sequences = [
            [*render_prompt(prompt, self.tokenizer), *_ids_of(reply)]
            for prompt, reply in zip(prompts, replies, strict=True)
        ]
        return self._scores(sequences)

    def score_texts(self, prompts: Sequence[Sequence[Message]], texts: Sequence[str]) -> list[float]:
        """One score for each text as the whole answer to each prompt, whoever wrote it. Tool calls are words in it."""
        pairs = zip(prompts, texts, strict=True)
        whole = [[*prompt, Message(role="assistant", content=text)] for prompt, text in pairs]
        return self._scores([render(messages, self.tokenizer).ids for messages in whole])

    def __call__(self, question: str, answer: Written) -> float:
        """The score of an answer to one question: a judge for `techniques.BestOf`."""
        return self.score_texts([[Message(role="user", content=question)]], [answer.text])[0]

    def _scores(self, sequences: list[list[int]]) -> list[float]:
        raw = score_sequences(self.model, self.tokenizer, sequences)
        return [float(value) for value in (raw - self.model.mean) / self.model.scale]


def load_folder(folder: Path, name: str | None = None, precision: Precision = "float32") -> LocalModel:
    """Open a language model folder. Raises UserError when it is missing, damaged or of another kind."""
    model, tokenizer = load_language_model(folder)
    if precision == "int8":
        quantize(model)
    model.compute_dtype = torch.float32 if precision == "float32" else torch.bfloat16
    return LocalModel(model.to(model.compute_dtype), tokenizer, name or str(folder))


def load_reward(folder: Path | str) -> RewardModel:
    """Open a reward model folder. Raises UserError when it is missing, damaged or of another kind."""
    return RewardModel(*load_scalar_model(Path(folder)))


def _ids_of(reply: Reply) -> list[int]:
    if reply.completion is None:
        raise UserError("the reply has no token ids: it did not come from a model on this machine.")
    return reply.completion.tokens
