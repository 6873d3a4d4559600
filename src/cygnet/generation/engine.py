"""One decoder for rollouts, chat, evaluation and ranking."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from cygnet.errors import UserError
from cygnet.generation.cache import Cache
from cygnet.generation.calculator import calculate
from cygnet.generation.request import Completion, FinishReason, Sampling
from cygnet.generation.sampling import choose, uniforms
from cygnet.model.transformer import Transformer
from cygnet.tokens.tokenizer import ASSISTANT, PYTHON, TOOL, Tokenizer

_ROWS = 256
_COMPACT_BELOW = 0.7

Tool = Callable[[str], str]


class Engine:
    """Samples continuations of token prompts in batches.

    A turn that begins with the Python token is a tool call: its result is put in as a tool message and the
    assistant goes on. Log-probabilities equal those of the training forward in float32.
    """

    def __init__(self, model: Transformer, tokenizer: Tokenizer, tool: Tool | None = calculate) -> None:
        self.model, self.tokenizer, self.tool = model, tokenizer, tool

    def generate(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, n: int = 1, seeds: Sequence[int] | None = None
    ) -> list[list[Completion]]:
        """`n` completions of each prompt, in order. Prompts of similar length share batches; each is read once.

        With `seeds`, each prompt has its own seed in place of the sampling's and its place in the batch.

        Raises UserError when a prompt leaves no room in the model's context, or a bias is for a token it lacks.
        """
        for prompt in prompts:
            self._check_room(prompt)
        self._check_bias(sampling)
        own = [(seed,) for seed in seeds] if seeds is not None else [(sampling.seed, i) for i in range(len(prompts))]
        results: list[list[Completion]] = [[] for _ in prompts]
        order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        group = max(1, _ROWS // n)
        for start in range(0, len(order), group):
            members = order[start : start + group]
            batch = _Batch(self, {index: prompts[index] for index in members}, sampling, n, own)
            while batch.live:
                batch.step()
            for index in members:
                results[index] = batch.completions(index)
        return results

    def stream(self, prompt: Sequence[int], sampling: Sampling) -> Iterator[int]:
        """Token ids of one completion as they are chosen, a tool's included."""
        self._check_room(prompt)
        self._check_bias(sampling)
        batch = _Batch(self, {0: prompt}, sampling, 1, [(sampling.seed, 0)])
        while batch.live:
            batch.step()
            yield batch.newest()

    def _check_room(self, prompt: Sequence[int]) -> None:
        context = self.model.config.context_length
        if not prompt or len(prompt) >= context:
            raise UserError(
                f"the prompt has {len(prompt)} tokens; it must have between 1 and {context - 1} for this model."
            )

    def _check_bias(self, sampling: Sampling) -> None:
        vocabulary = self.model.config.vocab_size
        if wrong := [token for token in sampling.logit_bias if not 0 <= token < vocabulary]:
            raise UserError(f"logit_bias names token {wrong[0]}, but this model's ids run from 0 to {vocabulary - 1}.")


class _Batch:
    """The state of one batch while it is decoded. Rows are (prompt, sample) pairs; finished ones leave in bulk."""

    def __init__(
        self,
        engine: Engine,
        prompts: dict[int, Sequence[int]],
        sampling: Sampling,
        n: int,
        seeds: Sequence[tuple[int, ...]],
    ) -> None:
        self._engine, self._sampling, self._n = engine, sampling, n
        longest = max(len(prompt) for prompt in prompts.values())
        room = engine.model.config.context_length
        budget = min(sampling.max_new_tokens, room - min(len(prompt) for prompt in prompts.values()))
        self._requests = [(index, sample) for index in prompts for sample in range(n)]
        rows = len(self._requests)
        self._limits = np.array(
            [min(sampling.max_new_tokens, room - len(prompts[index])) for index, _ in self._requests]
        )
        self._noise = uniforms([(*seeds[index], sample) for index, sample in self._requests], budget)
        self._tokens = np.zeros((rows, budget), dtype=np.int64)
        self._logprobs = np.zeros((rows, budget), dtype=np.float64)
        self._sampled = np.zeros((rows, budget), dtype=bool)
        self._top: list[list[list[tuple[int, float]]]] = [[] for _ in range(rows)]
        self._seen = self._read_tokens(prompts) if sampling.repetition_penalty != 1.0 else None
        self._lengths = np.zeros(rows, dtype=np.int64)
        self._stopped = np.zeros(rows, dtype=bool)
        self._forced: dict[int, list[int]] = {}
        self._turn_starts = np.zeros(rows, dtype=np.int64)
        self._rows = np.arange(rows)  # which request each row of the cache is
        self._alive = np.ones(rows, dtype=bool)  # whether that request still wants tokens
        self._padding = torch.tensor([longest - len(prompts[index]) for index, _ in self._requests])
        self._cache = Cache(engine.model.config, len(prompts), longest + budget, torch.float32)
        self._logits = self._read_prompts(list(prompts.values()), longest).repeat_interleave(n, dim=0)
        if n > 1:
            self._cache.select(torch.arange(len(prompts)).repeat_interleave(n))

    @property
    def live(self) -> bool:
        """Whether any request still wants tokens."""
        return bool(self._alive.any())

    @torch.no_grad()
    def step(self) -> None:
        """Choose one token for every live row, then read it."""
        alive = np.flatnonzero(self._alive)
        rows = self._rows[alive]
        places = self._lengths[rows]
        noise = torch.from_numpy(self._noise[rows, places])
        seen = None if self._seen is None else self._seen[torch.from_numpy(rows)]
        chosen, logprobs = choose(self._logits[torch.from_numpy(alive)], noise, self._sampling, seen)
        tokens, sampled = chosen.numpy().copy(), np.ones(len(rows), dtype=bool)
        for at, row in enumerate(rows) if self._forced else ():
            if row in self._forced:
                tokens[at], sampled[at] = self._next_forced(row), False
        self._tokens[rows, places], self._sampled[rows, places] = tokens, sampled
        of_chosen = logprobs.gather(1, torch.from_numpy(tokens)[:, None])[:, 0].numpy()
        self._logprobs[rows, places] = np.where(sampled, of_chosen, 0.0)
        if self._sampling.logprobs:
            self._keep_top(rows, logprobs.topk(min(self._sampling.logprobs, logprobs.shape[-1]), dim=-1))
        if self._seen is not None:
            self._seen[torch.from_numpy(rows), torch.from_numpy(tokens)] = True
        self._lengths[rows] += 1
        self._alive[alive] = self._still_going(rows, tokens, sampled)
        if self.live:
            fed = np.full(len(self._rows), self._engine.tokenizer.pad_id)
            fed[alive] = tokens
            self._read(torch.from_numpy(fed))

    def completions(self, index: int) -> list[Completion]:
        """What was added to one prompt."""
        return [self._completion(row) for row, (prompt, _) in enumerate(self._requests) if prompt == index]

    def newest(self) -> int:
        """The last token of the first request."""
        return int(self._tokens[0, self._lengths[0] - 1])

    def _keep_top(self, rows: np.ndarray, top: tuple[Tensor, Tensor]) -> None:
        values, ids = top
        for row, pairs in zip(rows, zip(ids.tolist(), values.tolist(), strict=True), strict=True):
            self._top[row].append(list(zip(*pairs, strict=True)))

    def _read_tokens(self, prompts: dict[int, Sequence[int]]) -> Tensor:
        """[requests, V]: which tokens each request's prompt holds."""
        seen = torch.zeros((len(self._requests), self._engine.model.config.vocab_size), dtype=torch.bool)
        for row, (index, _) in enumerate(self._requests):
            seen[row, torch.as_tensor(prompts[index])] = True
        return seen

    def _still_going(self, rows: np.ndarray, tokens: np.ndarray, sampled: np.ndarray) -> np.ndarray:
        ended = tokens == self._engine.tokenizer.end_id
        for at in np.flatnonzero(ended & sampled):
            ended[at] = not self._call_tool(int(rows[at]))
        ended &= sampled
        if self._sampling.stop:
            ended |= np.array([self._hit_stop(int(row)) for row in rows])
        self._stopped[rows[ended]] = True
        return np.asarray(~ended & (self._lengths[rows] < self._limits[rows]))

    def _call_tool(self, row: int) -> bool:
        """If the turn that just ended called the tool, queue the result and the start of the next turn."""
        tokenizer, start = self._engine.tokenizer, self._turn_starts[row]
        turn = self._tokens[row, start : self._lengths[row] - 1]
        if self._engine.tool is None or len(turn) == 0 or turn[0] != tokenizer.id_of(PYTHON):
            return False
        result = tokenizer.encode(self._engine.tool(tokenizer.decode(turn[1:].tolist())))
        self._forced[row] = [tokenizer.id_of(TOOL), *result, tokenizer.end_id, tokenizer.id_of(ASSISTANT)]
        self._turn_starts[row] = self._lengths[row] + len(self._forced[row])
        return True

    def _next_forced(self, row: int) -> int:
        token = self._forced[row].pop(0)
        if not self._forced[row]:
            del self._forced[row]
        return token

    def _hit_stop(self, row: int) -> bool:
        text = self._engine.tokenizer.decode(self._tokens[row, : self._lengths[row]].tolist())
        return any(stop in text for stop in self._sampling.stop)

    def _read_prompts(self, prompts: list[Sequence[int]], longest: int) -> Tensor:
        """Prefill the cache; returns the logits [prompts, V] after each prompt's last token."""
        tokens = torch.full((len(prompts), longest), self._engine.tokenizer.pad_id)
        for row, prompt in enumerate(prompts):
            tokens[row, longest - len(prompt) :] = torch.as_tensor(prompt)
        padding = torch.tensor([longest - len(prompt) for prompt in prompts])
        place = torch.arange(longest)
        real = place[None, :] >= padding[:, None]
        seen = real[:, None, :] & (place[None, None, :] <= place[None, :, None])
        seen |= torch.eye(longest, dtype=torch.bool)  # padding looks at itself, so that its softmax is defined
        return self._forward(tokens, (place[None, :] - padding[:, None]).clamp(min=0), seen[:, None])

    def _read(self, tokens: Tensor) -> None:
        """Feed the chosen tokens. Finished rows ride along until enough of them can be dropped at once."""
        if self._alive.mean() < _COMPACT_BELOW:
            kept = torch.from_numpy(np.flatnonzero(self._alive))
            self._cache.select(kept)
            self._padding, tokens = self._padding[kept], tokens[kept]
            self._rows, self._alive = self._rows[self._alive], self._alive[self._alive]
        places = torch.arange(self._cache.place + 1)
        mask = (places[None, :] >= self._padding[:, None])[:, None, None]
        positions = (self._cache.place - self._padding).clamp(max=self._engine.model.config.context_length - 1)
        self._logits = self._forward(tokens[:, None], positions[:, None], mask)

    def _forward(self, tokens: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        model = self._engine.model
        before, model.compute_dtype = model.compute_dtype, torch.float32
        try:
            with torch.no_grad():
                features = model.features(tokens, positions, mask, self._cache)
                self._cache.advance(tokens.shape[1])
                return model.logits(features[:, -1])
        finally:
            model.compute_dtype = before

    def _completion(self, row: int) -> Completion:
        tokens = self._tokens[row, : self._lengths[row]].tolist()
        for stop in self._sampling.stop:
            tokens = _cut_at(tokens, stop, self._engine.tokenizer)
        kept = len(tokens)
        reason: FinishReason = "stop" if self._stopped[row] else "length"
        logprobs, sampled = self._logprobs[row, :kept].tolist(), self._sampled[row, :kept].tolist()
        return Completion(tokens, logprobs, sampled, reason, self._top[row][:kept])


def _cut_at(tokens: list[int], stop: str, tokenizer: Tokenizer) -> list[int]:
    """Drop the token in which `stop` begins and all after it."""
    found = tokenizer.decode_bytes(tokens).find(stop.encode())
    if found < 0:
        return tokens
    kept = len(tokens)
    while len(tokenizer.decode_bytes(tokens[:kept])) > found:
        kept -= 1
    return tokens[:kept]
