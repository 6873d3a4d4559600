"""What a technique is: a small program for one question that asks a language model and returns an answer.

A program is a generator. It yields a list of `Ask`s, is sent their replies in the same order, and returns an
`Answer`. So each technique reads as straight-line code for one question, while many programs that run together share
batches (a model on this machine) or keep an endpoint busy. A program may run others inside itself: `yield from
technique.solve(question)` for one, `yield from together([...])` for several at once.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, TypeVar

from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel, Prompt, Reply, Usage


@dataclass(frozen=True)
class Ask:
    """One request of a program: a prompt, its settings, and how many replies are wanted. `name` is for the trace.

    continuation: if given, nothing is written: the reply is this text, with the log-probability of each of its tokens.
    path: where in a tree of programs it was asked; with the run's seed it makes the request's random numbers.
    """

    prompt: Prompt
    sampling: Sampling = field(default_factory=Sampling)
    n: int = 1
    name: str = "ask"
    continuation: str | None = None
    path: tuple[int, ...] = ()


@dataclass(frozen=True)
class Step:
    """One entry of a trace: what was asked and replied, or what a tool or a search did (then there are no replies).

    name: "ask", "think", "act", "observe", "check" …; prompt: what the model read; texts: what came back.
    """

    name: str
    prompt: Prompt
    texts: tuple[str, ...]
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class Answer:
    """What a technique returns.

    value: the parsed answer, None where none could be read out of the text.
    text: what the model wrote last. usage: of everything it took. trace: every step in order.
    note: what a reader must know about how it came about ("2 of 5 votes", "no checker: unverified"); else empty.
    """

    value: Any
    text: str
    usage: Usage = field(default_factory=Usage)
    trace: tuple[Step, ...] = ()
    note: str = ""


Result = TypeVar("Result")
Asking = Generator[list[Ask], list[list[Reply]], Result]  # yields requests, is sent their replies, returns a result
Program = Asking[Answer]

_MOST_AT_ONCE = 64  # threads; the model itself may allow fewer requests in flight


class Technique(ABC):
    """Asks `lm` in one particular way."""

    lm: LanguageModel

    @abstractmethod
    def program(self, question: str) -> Program:
        """The technique for one question, without its book-keeping."""

    def solve(self, question: str) -> Program:
        """`program`, with the usage and the trace of everything it asked put into its answer."""
        return _recorded(self.program(question))

    def run(self, questions: Sequence[str], seed: int = 0) -> list[Answer]:
        """Answer many questions side by side. The answer to a question depends on the seed and its place alone."""
        return run_programs(self.lm, [self.solve(question) for question in questions], seed)

    def __call__(self, question: str, seed: int = 0) -> Answer:
        """Answer one question."""
        return self.run([question], seed)[0]


def step(name: str, text: str, prompt: Prompt = "") -> Ask:
    """An entry for the trace that asks nothing: what a tool returned, what a check found. It is yielded like an ask."""
    return Ask(prompt, n=0, name=name, continuation=text)


def relay(
    program: Asking[Result],
    change: Callable[[list[Ask]], list[Ask]] | None = None,
    hear: Callable[[list[Ask], list[list[Reply]]], None] | None = None,
) -> Asking[Result]:
    """Run a program inside another: `change` its asks on their way out, `hear` them with their replies after."""
    replies: list[list[Reply]] | None = None
    while True:
        try:
            asks = next(program) if replies is None else program.send(replies)
        except StopIteration as finished:
            result: Result = finished.value
            return result
        asks = change(asks) if change else asks
        replies = yield asks
        if hear:
            hear(asks, replies)


def together(programs: Sequence[Asking[Result]]) -> Asking[list[Result]]:
    """Run programs side by side inside another; their results in order. Each has random numbers of its own."""
    results: dict[int, Result] = {}
    waiting: dict[int, list[Ask]] = {}
    for index, program in enumerate(programs):
        _advance(index, program, None, waiting, results)
    while waiting:
        asked = list(waiting.items())
        replies = yield [replace(ask, path=(index, *ask.path)) for index, asks in asked for ask in asks]
        waiting, start = {}, 0
        for index, asks in asked:
            _advance(index, programs[index], replies[start : start + len(asks)], waiting, results)
            start += len(asks)
    return [results[index] for index in range(len(programs))]


def run_programs(lm: LanguageModel, programs: Sequence[Program], seed: int = 0) -> list[Answer]:
    """Run programs to their ends: in shared batches on this machine, each in its own thread against an endpoint."""
    if lm.local:
        return _drive(lm, together(programs), (seed,))
    with ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
        runs = [pool.submit(_drive, lm, _numbered(i, program), (seed,)) for i, program in enumerate(programs)]
        try:
            return [answer for run in runs for answer in run.result()]
        except BaseException:  # the endpoint is gone, or the user has had enough: those that wait don't begin
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _numbered(index: int, program: Program) -> Asking[list[Answer]]:
    """One of several programs, with the random numbers it would have among the others."""
    answer = yield from relay(program, lambda asks: [replace(ask, path=(index, *ask.path)) for ask in asks])
    return [answer]


def _drive(lm: LanguageModel, program: Asking[list[Answer]], path: tuple[int, ...]) -> list[Answer]:
    replies: list[list[Reply]] | None = None
    rounds = 0
    while True:
        try:
            asks = next(program) if replies is None else program.send(replies)
        except StopIteration as finished:
            answers: list[Answer] = finished.value
            return answers
        replies = ask_all(lm, [replace(ask, path=(*path, *ask.path, rounds)) for ask in _told_apart(asks)])
        rounds += 1


def _told_apart(asks: Sequence[Ask]) -> list[Ask]:
    """Asks of one program in one round get different paths, so that equal ones get different random numbers."""
    seen: Counter[tuple[int, ...]] = Counter()
    apart = []
    for ask in asks:
        apart.append(replace(ask, path=(*ask.path, seen[ask.path])))
        seen[ask.path] += 1
    return apart


def ask_all(lm: LanguageModel, asks: Sequence[Ask]) -> list[list[Reply]]:
    """Send asks to the model, those that can share a batch together. Replies come in the order of the asks."""
    replies: list[list[Reply]] = [[] for _ in asks]
    scored = [i for i, ask in enumerate(asks) if ask.n and ask.continuation is not None]
    if scored:
        found = lm.score([asks[i].prompt for i in scored], [asks[i].continuation or "" for i in scored])
        for i, reply in zip(scored, found, strict=True):
            replies[i] = [reply]
    for n in sorted({ask.n for ask in asks if ask.n and ask.continuation is None}):
        members = [i for i, ask in enumerate(asks) if ask.n == n and ask.continuation is None]
        samplings = [replace(asks[i].sampling, seed=_seed(asks[i])) for i in members]
        for i, several in zip(members, lm.generate([asks[i].prompt for i in members], samplings, n), strict=True):
            replies[i] = several
    return replies


def _seed(ask: Ask) -> int:
    """A seed from the ask's own and its path: the same wherever it lands in a batch."""
    digest = blake2b(repr((ask.sampling.seed, ask.path)).encode(), digest_size=6)
    return int.from_bytes(digest.digest())


def _advance(
    index: int,
    program: Asking[Result],
    replies: list[list[Reply]] | None,
    waiting: dict[int, list[Ask]],
    results: dict[int, Result],
) -> None:
    try:
        waiting[index] = next(program) if replies is None else program.send(replies)
    except StopIteration as finished:
        results[index] = finished.value


def _recorded(program: Program) -> Program:
    steps: list[Step] = []

    def record(asks: list[Ask], replies: list[list[Reply]]) -> None:
        steps.extend(_step(ask, several) for ask, several in zip(asks, replies, strict=True))

    answer = yield from relay(program, hear=record)
    return replace(answer, usage=sum((item.usage for item in steps), Usage()), trace=tuple(steps))


def _step(ask: Ask, replies: list[Reply]) -> Step:
    texts = tuple(reply.text for reply in replies) if ask.n else (ask.continuation or "",)
    return Step(ask.name, ask.prompt, texts, sum((reply.usage for reply in replies), Usage()))
