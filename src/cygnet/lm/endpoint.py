"""Models behind any server with OpenAI's HTTP interface: hosted, vLLM, SGLang, llama.cpp, Ollama, `cygnet serve`."""

import asyncio
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from cygnet.errors import ContextError, UserError
from cygnet.generation.request import Sampling
from cygnet.lm.address import parse_address, read_key
from cygnet.lm.base import LanguageModel, Prompt, Reply, Usage, check_top
from cygnet.lm.cache import ReplyCache
from cygnet.lm.connection import Connection, DeadEndpointError, RefusedError
from cygnet.lm.ledger import FREE, BudgetError, Ledger, Prices
from cygnet.lm.taken import telling
from cygnet.lm.wire import (
    SCORING,
    Json,
    Question,
    pieces,
    question,
    read_replies,
    read_usage,
    scoring_question,
    split_usage,
    streamed_reply,
)

P = ParamSpec("P")
T = TypeVar("T")

_DEFAULT = Sampling()


class EndpointModel(LanguageModel):
    """A model at a URL like "http://host:8000/v1".

    model: its name there; None: the only one the server has. key_variable: the environment variable with the key;
    None: OPENAI_API_KEY if it is set. prices: of a million tokens. max_in_flight: requests at the same time, over all
    threads that call; a stream runs beside them. timeout: seconds of silence after which an attempt is given up.
    cache: a folder where replies are kept, so that none is asked twice; streams are not kept. ledger: sums what was
    taken and holds the budget.

    Sampling: log-probabilities are mostly those at temperature 1, whatever the temperature. A server's own defaults
    hold for top_k, min_p and repetition_penalty unless they are set.

    Close it, or use it in a `with` block. Raises UserError for an address or key that can't be right, and when `model`
    is None and the server has not exactly one.
    """

    local = False

    def __init__(
        self,
        url: str,
        model: str | None = None,
        *,
        key_variable: str | None = None,
        prices: Prices = FREE,
        max_in_flight: int = 32,
        timeout: float = 600.0,
        cache: Path | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        address = parse_address(url)
        self.url, self.prices, self.ledger = address.url, prices, ledger or Ledger()
        if self.ledger.budget is not None and prices == FREE:
            raise UserError(f"a budget of {self.ledger.budget:g} needs prices: without them nothing is ever spent.")
        if max_in_flight < 1:
            raise UserError(f"max_in_flight is {max_in_flight}: it must be at least 1.")
        self._connection = Connection(address.url, read_key(key_variable), timeout, max_in_flight)
        try:
            self.name = model or address.model or self._only_model()
            self._cache = None if cache is None else ReplyCache(cache, f"{address.url}#{self.name}")
        except BaseException:
            self._connection.close()
            raise
        self._requests = ThreadPoolExecutor(max_in_flight, "endpoint-request")
        self._callers = ThreadPoolExecutor(max_in_flight, "endpoint-caller")  # each waits for at least one request

    def __repr__(self) -> str:
        return f"EndpointModel({self.url!r}, {self.name!r})"

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling | Sequence[Sampling] = _DEFAULT, n: int = 1
    ) -> list[list[Reply]]:
        """`n` replies to each prompt, all prompts at the same time. Raises UserError for whatever the server refuses.

        A server that gives fewer than n in one answer is asked for the missing ones singly, with seeds of their own.
        """
        if n < 1:
            raise UserError(f"n is {n}: ask for at least one reply.")
        samplings = [sampling] * len(prompts) if isinstance(sampling, Sampling) else sampling
        asked = [question(self.name, prompt, each) for prompt, each in zip(prompts, samplings, strict=True)]
        replies = [self._recall(each, range(n)) for each in asked]
        missing = [[i for i in range(n) if i not in known] for known in replies]
        with telling() as taken:
            wanted = [(place, samples) for place, samples in enumerate(missing) if samples]
            self._fill(replies, asked, wanted, taken)
            short = [(place, [i]) for place, samples in wanted for i in samples if i not in replies[place]]
            self._fill(replies, asked, short, taken)
        return [[found[i] for i in range(n)] for found in replies]

    def stream(self, prompt: Prompt, sampling: Sampling = _DEFAULT) -> Generator[str, None, Reply]:
        """The reply to one prompt in pieces of whole characters, as it is written; the generator returns all of it.

        The ledger gets the server's count at the end; a stream that is left early has none and is entered as a call
        without tokens. Raises UserError when the first piece is asked for, or when the server breaks off.
        """
        self.ledger.check()
        asked = question(self.name, prompt, sampling)
        body = {**asked.body, "stream": True, "stream_options": {"include_usage": True}}
        began, counted, usage = time.perf_counter(), Json(), Usage(calls=1)
        choices: list[Json] = []
        written: list[str] = []
        with self._connection.events(asked.path, body) as events:
            try:
                for piece in pieces(_noting(events, counted, choices)):
                    written.append(piece)
                    yield piece
                usage = read_usage(counted, self.prices, 0.0)
            finally:
                usage += Usage(seconds=time.perf_counter() - began)
                self.ledger.enter(self.name, usage)
        return streamed_reply(asked, "".join(written), choices, usage)

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str], top: int = 0) -> list[Reply]:
        """See `LanguageModel.score`; a server may tell fewer than `top` tokens.

        A token that begins in the prompt and ends in the continuation belongs to the continuation. Raises UserError
        also for messages, whose template only the server knows.
        """
        check_top(top)
        if not all(isinstance(prompt, str) for prompt in prompts):
            raise UserError(
                "an endpoint can score texts, not messages: only the server knows how it writes a conversation. "
                "Give the prompt as one string."
            )
        asked = [
            scoring_question(self.name, str(prompt), text, top)
            for prompt, text in zip(prompts, continuations, strict=True)
        ]
        replies = [self._recall(each, [0]) for each in asked]
        with telling() as taken:
            try:
                self._fill(replies, asked, [(place, [0]) for place, known in enumerate(replies) if not known], taken)
            except RefusedError as error:
                raise error if isinstance(error, ContextError) else UserError(f"{error} {SCORING}") from error
        return [found[0] for found in replies]

    def close(self) -> None:
        """End all threads and connections; requests under way end first. It may be called twice."""
        self._callers.shutdown(cancel_futures=True)
        self._requests.shutdown(cancel_futures=True)
        self._connection.close()
        if self._cache is not None:
            self._cache.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _only_model(self) -> str:
        """The name of the one model there is. Raises UserError when there are others, or none."""
        listed = self._connection.get("/models").get("data")
        names = [str(item.get("id")) for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
        if len(names) != 1:
            raise UserError(
                f"{self.url} has {len(names)} models{': ' if names else ''}{', '.join(names)}. "
                f'Say which: "{self.url}#model".'
            )
        return names[0]

    def _recall(self, asked: Question, samples: Sequence[int]) -> dict[int, Reply]:
        """Those of the samples that are in the cache."""
        if self._cache is None:
            return {}
        found = self._cache.get(asked.key, samples)
        self.ledger.count_hits(len(found))
        return found

    def _fill(
        self,
        replies: list[dict[int, Reply]],
        asked: Sequence[Question],
        wanted: Sequence[tuple[int, list[int]]],
        taken: list[Usage],
    ) -> None:
        """Ask for the samples wanted of each question, all questions at once, and put them among the replies."""
        found = self._at_once([partial(self._ask, asked[place], samples, taken) for place, samples in wanted])
        for (place, _), several in zip(wanted, found, strict=True):
            replies[place] |= several

    def _ask(self, asked: Question, samples: list[int], taken: list[Usage]) -> dict[int, Reply]:
        """One request: at least one of the samples, kept and paid. What it takes goes into `taken`."""
        self.ledger.check()
        began = time.perf_counter()
        answer = self._connection.post(asked.path, asked.asked(samples))
        usage = Usage(seconds=time.perf_counter() - began, calls=1)
        try:  # an answer that can't be read is paid, too
            usage = read_usage(answer, self.prices, usage.seconds)
            several = read_replies(asked, answer)[: len(samples)]
            if not several:
                raise UserError(f"{self.url} answered without a single reply.")
            parts = split_usage(usage, self.prices, len(several))
            replies = {i: replace(reply, usage=part) for i, reply, part in zip(samples, several, parts, strict=False)}
            if self._cache is not None:
                self._cache.put(asked.key, replies)
        finally:
            taken.append(usage)
            self.ledger.enter(self.name, usage)
        return replies

    def _at_once(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        """Results in order. After a failure nothing more is begun, but what is under way ends and is kept."""
        futures: list[Future[T]] = [self._requests.submit(job) for job in jobs]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            for future in futures:
                future.cancel()
        wait(futures)
        for future in futures:
            if not future.cancelled() and (failure := future.exception()):
                if isinstance(failure, DeadEndpointError | BudgetError):
                    raise type(failure)(f"{failure} {self._what_is_kept()}") from failure
                raise failure
        return [future.result() for future in futures]

    def _what_is_kept(self) -> str:
        if self._cache is None:
            return "There is no cache: with one, a second run asks only for what is missing."
        return f"{len(self._cache)} replies are in the cache {self._cache.path}: a second run asks only for the rest."

    async def _in_thread(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        # asyncio's own threads are fewer than the requests that should be in flight.
        call = partial(copy_context().run, partial(function, *arguments, **named))
        return await asyncio.get_running_loop().run_in_executor(self._callers, call)


def _noting(events: Iterator[Json], counted: Json, choices: list[Json]) -> Iterator[Json]:
    """The events, while the server's count among them is put into `counted`, and what else they tell into `choices`."""
    for event in events:
        if event.get("usage"):
            counted["usage"] = event["usage"]
        found = event.get("choices")
        choices += [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        yield event
