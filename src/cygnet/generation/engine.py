"""One decoder for rollouts, chat, evaluation, ranking and techniques."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

import torch
from torch import Tensor

from cygnet.errors import ContextError, UserError
from cygnet.generation.batch import Batch
from cygnet.generation.cache import Cache
from cygnet.generation.calculator import calculate
from cygnet.generation.grammar import Grammar, Grammars
from cygnet.generation.prefixes import Prefixes
from cygnet.generation.request import Completion, Sampling
from cygnet.generation.row import Row
from cygnet.generation.sampling import uniforms
from cygnet.generation.weights import version
from cygnet.model.transformer import Transformer
from cygnet.tokens.tokenizer import ASSISTANT, PYTHON, TOOL, Tokenizer

_MOST_ROWS = 256
_CACHED_NUMBERS = 256_000_000  # of keys and values, which is 1 GB

Tool = Callable[[str], str]


class Engine:
    """Samples continuations of token prompts in batches.

    A turn that begins with the Python token is a tool call: its result is put in as a tool message and the
    assistant goes on. Log-probabilities equal those of the training forward in the weights' precision. Beginnings of
    prompts that were read lately are not read again, unless the model's weights have changed since: by an optimizer, in
    place, or because others were put there. Only a change inside of a parameter's `.data` is not noticed; write
    `with torch.no_grad(): parameter.mul_(2)` instead of `parameter.data.mul_(2)`, or make a new Engine.
    """

    def __init__(self, model: Transformer, tokenizer: Tokenizer, tool: Tool | None = calculate) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.tool = tool if tokenizer.is_own else None  # no other model was taught how to call it
        self._grammars: Grammars | None = None
        self._prefixes, self._weights = Prefixes(), version(model)
        self._turn = Lock()  # of the threads that ask: one decodes at a time
        self._spare: list[Cache] = []  # the last one, to be used again: making one takes longer than a step

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling | Sequence[Sampling],
        n: int = 1,
        stopped: Callable[[], bool] | None = None,
    ) -> list[list[Completion]]:
        """`n` completions of each prompt, in order. Each prompt is read once, and what all begin with is read once.

        One sampling for all gives each prompt random numbers of its place; one for each, those of its own seed alone.

        stopped: asked before every token; once it says so, what was written until then is returned.

        Raises ContextError when a prompt leaves no room in the model's context, UserError for sampling without sense.
        """
        if isinstance(sampling, Sampling):
            rows = [self._rows(prompt, sampling, (sampling.seed, i), n) for i, prompt in enumerate(prompts)]
        else:
            pairs = zip(prompts, sampling, strict=True)
            rows = [self._rows(prompt, settings, (settings.seed,), n) for prompt, settings in pairs]
        with self._decoding():
            unfinished = [row for several in sorted(rows, key=_length) for row in several if row.finish_reason is None]
            batch = self._batch(unfinished)
            while batch.live and not (stopped and stopped()):
                batch.step()
            self._spare = [batch.cache]
        return [[row.completion() for row in several] for several in rows]

    def stream(self, prompt: Sequence[int], sampling: Sampling) -> Generator[int, None, Completion]:
        """Token ids of the completion that `generate([prompt], [sampling])` gives, as soon as they are sure to stay.

        The generator returns the completion itself.
        """
        (row,) = self._rows(prompt, sampling, (sampling.seed,), 1)
        batch, told = self._batch([row]), 0
        while True:
            settled = row.settled()
            yield from row.tokens[told:settled]
            told = max(told, settled)
            if row.finish_reason is not None:
                return row.completion()
            with self._decoding():
                batch.step()

    def _rows(self, prompt: Sequence[int], sampling: Sampling, seed: tuple[int, ...], n: int) -> list[Row]:
        """The rows of one request."""
        sampling.check()
        context, vocabulary = self.model.config.context_length, self.model.config.vocab_size
        wanted = f"the prompt has {len(prompt)} tokens; it must have between 1 and {context - 1} for this model"
        if not prompt:
            raise UserError(f"{wanted}.")
        if len(prompt) >= context:
            raise ContextError(f"{wanted}, whose maximum context length is {context}.")
        if wrong := [token for token in sampling.logit_bias if not 0 <= token < vocabulary]:
            raise UserError(f"logit_bias names token {wrong[0]}, but this model's ids run from 0 to {vocabulary - 1}.")
        limit = min(sampling.max_new_tokens, context - len(prompt))
        noise = uniforms([(*seed, sample) for sample in range(n)], limit)
        ids = list(prompt)
        grammars = [self._grammar(sampling) for _ in range(n)]
        pairs = zip(noise, grammars, strict=True)
        rows = [Row(ids, sampling, limit, of_row, self.tokenizer, grammar=grammar) for of_row, grammar in pairs]
        for row in rows:
            if sampling.repetition_penalty != 1.0:
                row.note_seen(vocabulary)
            row.obey()
        return rows

    def _grammar(self, sampling: Sampling) -> Grammar | None:
        if sampling.constraint is None:
            return None
        self._grammars = self._grammars or Grammars(self.tokenizer)
        return self._grammars.start(sampling.constraint)

    def _batch(self, rows: list[Row]) -> Batch:
        """Rows about to be decoded, in a cache of bounded size: that of the last batch, if it fits."""
        longest = max((len(row.prompt) + row.limit for row in rows), default=1)
        new = Cache(self.model.config, self._example().device)
        capacity = max(1, min(_MOST_ROWS, len(rows), _CACHED_NUMBERS // new.numbers(1, longest)))
        spare = self._spare.pop() if self._spare else new
        cache = spare if spare.numbers(capacity, longest) <= _CACHED_NUMBERS else new
        cache.serve(capacity, longest)
        return Batch(self.model, rows, cache, capacity, self._prefixes, self._follow)

    def _example(self) -> Tensor:
        """A weight, of whose device and precision everything is."""
        return next(self.model.parameters(), torch.empty(0))

    def _follow(self, row: Row, token: int) -> None:
        """At the end of its turn a row calls its tool or is finished; before, its constraint may write something."""
        if token not in self.tokenizer.end_ids:
            row.obey(token)
            return
        call = self._tool_call(row)
        if call is None:
            row.finish_reason = "stop"
        elif row.finish_reason is None and self.tool is not None:
            tokenizer = self.tokenizer
            result = tokenizer.encode(self.tool(call))
            row.force([tokenizer.id_of(TOOL), *result, tokenizer.end_id, tokenizer.id_of(ASSISTANT)])
            row.turn = len(row.tokens)

    def _tool_call(self, row: Row) -> str | None:
        """What the turn that just ended gives to the tool, if it is a call."""
        turn = row.tokens[row.turn : -1]
        if self.tool is None or not turn or turn[0] != self.tokenizer.id_of(PYTHON):
            return None
        return self.tokenizer.decode(turn[1:])

    @contextmanager
    def _decoding(self) -> Iterator[None]:
        """In the precision of the weights, whatever training computes in; and nothing remembered of other weights."""
        with self._turn:
            weights = version(self.model)
            if weights != self._weights:
                self._prefixes.clear()
                self._weights = weights
            before, self.model.compute_dtype = self.model.compute_dtype, self._example().dtype
            try:
                yield
            finally:
                self.model.compute_dtype = before


def _length(rows: list[Row]) -> int:
    return len(rows[0].prompt) if rows else 0
