"""One technique inside another: its requests changed on their way out, its replies heard on their way in."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from cygnet.lm.base import Reply
from cygnet.techniques.base import Answer, Ask, Asking, Program, Technique, relay, together


@dataclass(frozen=True)
class Sample:
    """One answer of several, with all that the model wrote for it, in order."""

    answer: Answer
    written: tuple[Reply, ...]

    @property
    def logprobs(self) -> list[float] | None:
        """Log-probability of every token the model wrote, in nats; None where some are not known."""
        if any(reply.text and not reply.tokens for reply in self.written):
            return None
        return [token.logprob for reply in self.written for token in reply.tokens]


def draw(
    inner: Technique, question: str, count: int, temperature: float = 0.0, logprobs: int | None = None
) -> Asking[list[Sample]]:
    """Answer a question `count` times side by side.

    temperature: of those requests that `inner` makes greedily, as all their replies would be alike; 0 leaves them so.
    logprobs: how many of the likeliest tokens the replies must tell in every place, as in `Sampling`.
    """

    def change(ask: Ask) -> Ask:
        if not _is_written(ask):
            return ask
        sampling = replace(ask.sampling, temperature=ask.sampling.temperature or temperature)
        if logprobs is not None:
            sampling = replace(sampling, logprobs=max(logprobs, sampling.logprobs or 0))
        return replace(ask, sampling=sampling)

    heard: list[list[Reply]] = [[] for _ in range(count)]
    answers = yield from together([intercept(inner.solve(question), change, replies) for replies in heard])
    return [Sample(answer, tuple(replies)) for answer, replies in zip(answers, heard, strict=True)]


def intercept(program: Program, change: Callable[[Ask], Ask], heard: list[Reply] | None = None) -> Program:
    """`program` with its asks changed; what the model writes is added to `heard`."""

    def listen(asks: list[Ask], replies: list[list[Reply]]) -> None:
        if heard is not None:
            pairs = zip(asks, replies, strict=True)
            heard.extend(reply for ask, several in pairs if _is_written(ask) for reply in several)

    return relay(program, lambda asks: [change(ask) for ask in asks], listen)


def _is_written(ask: Ask) -> bool:
    """Whether the model writes replies, rather than scores a text or is told nothing at all."""
    return ask.n > 0 and ask.continuation is None
