"""What a climb would take, without asking anybody: every technique is run on a model that only counts."""

import math
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import NamedTuple

from cygnet.generation.request import Sampling
from cygnet.lab.ladder import LADDER, Footing, Rung
from cygnet.lab.meter import to_prices
from cygnet.lab.steps import StepSearch
from cygnet.lab.task import Task
from cygnet.lab.verifiers import FitsSchema
from cygnet.lm.base import LanguageModel, Prompt, Reply, Token, Usage
from cygnet.techniques.base import Technique

_CHARACTERS = 4  # a token's, in plain English; small vocabularies have fewer
_DEFAULT = Sampling()
_PRIVATE = 0xE000, 6400  # characters that mean nothing, the first and how many
_TOKENS = (Token("?", -0.7, (("?", -0.7),)),)


class Plan(NamedTuple):
    """What a rung takes: calls and tokens written at most, tokens read and so money about. Or why it is left out."""

    rung: str
    calls: int = 0
    read: int = 0
    written: int = 0
    cost: float = 0.0
    left_out: str = ""


def rehearse(task: Task, local: bool) -> list[Plan]:
    """A plan for every rung, then one for the picks on the held-out items.

    Everything is asked that might be: each reply has the longest length, no two agree, no check accepts one, and a rung
    that builds on the best so far is run on each that might be the best. What training takes, and what is asked again
    because the model refused a question, is not in it. local: whether the model is on this machine.
    """
    plans: list[Plan] = []
    lm = Counting(local)
    verifier = task.check.verifier and FitsSchema("false")
    at = Footing(replace(task, check=replace(task.check, verifier=verifier)), lm)
    for rung in LADDER:
        variants = _variants(rung, at)
        if isinstance(variants, str):
            plans.append(Plan(rung.name, left_out=variants))
            continue
        taken = [_taken(lm, built, task) for built in variants]
        plans.append(_most(rung.name, taken, task))
        if rung.single:
            at.measured[rung.name] = max(zip(taken, variants, strict=True), key=lambda pair: pair[0].tokens)[1]
    return [*plans, _held_out(plans, task)]


class Counting(LanguageModel):
    """Writes nonsense, as long as it is allowed to and no two alike, and counts."""

    name = "nobody"

    def __init__(self, local: bool) -> None:
        self.local = local
        self._replies: list[Usage] = []

    def take(self) -> Usage:
        """What was asked since the last time."""
        usage = sum(self._replies, Usage())
        self._replies.clear()
        return usage

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling | Sequence[Sampling] = _DEFAULT, n: int = 1
    ) -> list[list[Reply]]:
        """Replies that took all they might; a server may have to be asked for every reply singly."""
        samplings = [sampling] * len(prompts) if isinstance(sampling, Sampling) else sampling
        return [
            [self._reply(prompt, settings, i == 0 or not self.local) for i in range(n)]
            for prompt, settings in zip(prompts, samplings, strict=True)
        ]

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str], top: int = 0) -> list[Reply]:  # noqa: ARG002 - the interface has it
        """Each continuation, at no log-probability in particular."""
        nothing = Sampling(max_new_tokens=0)
        return [self._reply(f"{p}{text}", nothing, True) for p, text in zip(prompts, continuations, strict=True)]

    def stream(self, prompt: Prompt, sampling: Sampling = _DEFAULT) -> Generator[str, None, Reply]:
        """The reply in one piece."""
        reply = self._reply(prompt, sampling, True)
        yield reply.text
        return reply

    def _reply(self, prompt: Prompt, sampling: Sampling, reads: bool) -> Reply:
        usage = Usage(_tokens(prompt) if reads else 0, sampling.max_new_tokens, calls=int(reads))
        first, count = _PRIVATE
        text = chr(first + len(self._replies) % count) * (_CHARACTERS * sampling.max_new_tokens)
        self._replies.append(usage)  # a list's append is safe among threads
        return Reply(text, "length", usage, _TOKENS if sampling.logprobs is not None else ())


def _variants(rung: Rung, at: Footing) -> list[Technique] | str:
    """The rung on each footing that a climb may have found; or why it is left out."""
    likeliest = [dict.fromkeys(at.measured, 0.0) | {name: 1.0} for name in at.measured] or [{}]
    built = [rung.built(replace(at, worth=worth)) for worth in likeliest]
    found: list[Technique] = []
    for technique in built:
        if isinstance(technique, Technique) and technique not in found:
            found.append(technique)
    return found or str(built[0])


def _taken(lm: Counting, technique: Technique, task: Task) -> Usage:
    """Of all items. A cap on tokens can end a search early, so it is run without, and held to it afterwards."""
    cap = None
    if isinstance(technique, StepSearch) and technique.tokens is not None:
        cap = technique.tokens * len(task.items.choosing)
        technique = replace(technique, tokens=None)
    for item in task.items.choosing:
        technique.run([item.question], task.config.seed)
    usage = lm.take()
    if cap is None:
        return usage
    return replace(
        usage, prompt_tokens=min(usage.prompt_tokens, cap), completion_tokens=min(usage.completion_tokens, cap)
    )


def _tokens(prompt: Prompt) -> int:
    """About how many tokens a prompt has."""
    text = prompt if isinstance(prompt, str) else "".join(str(message["content"]) for message in prompt)
    return -(-len(text) // _CHARACTERS)


def _most(rung: str, taken: Sequence[Usage], task: Task) -> Plan:
    """The most of each column, whichever footing takes it."""
    calls, read, written = (
        max(getattr(usage, name) for usage in taken) for name in ("calls", "prompt_tokens", "completion_tokens")
    )
    return Plan(rung, calls, read, written, to_prices(task.config.prices).cost(read, 0, written))


def _held_out(plans: Sequence[Plan], task: Task) -> Plan:
    """The first rung and, at most, two of those that take most, on as many items as are held out."""
    first, *others = (plan for plan in plans if not plan.left_out)
    share = len(task.items.held_out) / len(task.items.choosing)

    def most(column: str) -> int:
        two: list[int] = sorted(getattr(plan, column) for plan in others)[-2:]
        return math.ceil(share * sum(two, getattr(first, column)))

    calls, read, written = map(most, ("calls", "read", "written"))
    return Plan("picks, held out", calls, read, written, to_prices(task.config.prices).cost(read, 0, written))
