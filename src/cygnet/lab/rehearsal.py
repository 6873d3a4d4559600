"""What a climb would take, without asking anybody: every technique is run on a model that only counts."""

from collections.abc import Generator, Sequence
from typing import NamedTuple

from cygnet.generation.request import Sampling
from cygnet.lab.ladder import LADDER, Footing
from cygnet.lab.meter import to_prices
from cygnet.lab.task import Task
from cygnet.lm.base import LanguageModel, Prompt, Reply, Token, Usage

_CHARACTERS = 4  # a token's, in plain English; small vocabularies have fewer
_DEFAULT = Sampling()
_TOKENS = (Token("", -0.7),)


class Plan(NamedTuple):
    """What a rung takes at most: calls, tokens read (about) and written, money. Or why it will be left out."""

    rung: str
    calls: int = 0
    read: int = 0
    written: int = 0
    cost: float = 0.0
    left_out: str = ""


def rehearse(task: Task, local: bool) -> list[Plan]:
    """A plan for every rung, then one for the picks on the held-out items.

    Nothing is answered, so everything is asked that might be: each reply has the longest length, nobody agrees, and
    rungs that build on the best so far build on the longest. local: whether the model is on this machine.
    """
    plans: list[Plan] = []
    lm = Counting(local)
    at = Footing(task, lm)
    for rung in LADDER:
        built = rung.built(at)
        if isinstance(built, str):
            plans.append(Plan(rung.name, left_out=built))
            continue
        built.run([item.question for item in task.items.choosing], task.config.seed)
        usage = lm.take()
        plans.append(_plan(rung.name, usage, task))
        at.worth = {**at.worth, rung.name: float(usage.tokens)}
        if rung.single:
            at.measured[rung.name] = built
    return [*plans, _held_out(plans, task)]


class Counting(LanguageModel):
    """Writes nothing, as long as it is allowed to, and counts."""

    name = "nobody"

    def __init__(self, local: bool) -> None:
        self.local = local
        self._replies: list[Reply] = []

    def take(self) -> Usage:
        """What was asked since the last time."""
        usage = sum((reply.usage for reply in self._replies), Usage())
        self._replies.clear()
        return usage

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling | Sequence[Sampling] = _DEFAULT, n: int = 1
    ) -> list[list[Reply]]:
        """Empty replies that took all they might."""
        samplings = [sampling] * len(prompts) if isinstance(sampling, Sampling) else sampling
        return [
            [self._reply(prompt if i == 0 else "", settings, i == 0) for i in range(n)]
            for prompt, settings in zip(prompts, samplings, strict=True)
        ]

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[Reply]:
        """Each continuation, at no log-probability in particular."""
        nothing = Sampling(max_new_tokens=0)
        return [self._reply(f"{p}{text}", nothing, True) for p, text in zip(prompts, continuations, strict=True)]

    def stream(self, prompt: Prompt, sampling: Sampling = _DEFAULT) -> Generator[str, None, Reply]:
        """One empty piece."""
        yield ""
        return self._reply(prompt, sampling, True)

    def _reply(self, prompt: Prompt, sampling: Sampling, first: bool) -> Reply:
        usage = Usage(_tokens(prompt), sampling.max_new_tokens, calls=int(first))
        reply = Reply("", "length", usage, _TOKENS if sampling.logprobs is not None else ())
        self._replies.append(reply)  # a list's append is safe among threads
        return reply


def _tokens(prompt: Prompt) -> int:
    """About how many tokens a prompt has."""
    text = prompt if isinstance(prompt, str) else "".join(str(message["content"]) for message in prompt)
    return -(-len(text) // _CHARACTERS)


def _plan(rung: str, usage: Usage, task: Task) -> Plan:
    cost = to_prices(task.config.prices).cost(usage.prompt_tokens, 0, usage.completion_tokens)
    return Plan(rung, usage.calls, usage.prompt_tokens, usage.completion_tokens, cost)


def _held_out(plans: Sequence[Plan], task: Task) -> Plan:
    """The first rung and, at most, two of those that take most, on as many items as are held out."""
    asked = [plan for plan in plans if not plan.left_out]
    picked = [asked[0], *sorted(asked, key=lambda plan: plan.read + plan.written)[-2:]]
    share = len(task.items.held_out) / len(task.items.choosing)
    calls, read, written = (round(share * sum(column)) for column in list(zip(*picked, strict=True))[1:4])
    return Plan("picks, held out", calls, read, written, share * sum(plan.cost for plan in picked))
