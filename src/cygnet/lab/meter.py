"""A language model whose every call is priced, counted and, once the budget is spent, refused."""

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lab.answers import whole_lines
from cygnet.lab.config import BudgetConfig, PricesConfig
from cygnet.lm.base import LanguageModel, Prompt, Reply, Usage
from cygnet.lm.ledger import BudgetError, Ledger, Prices
from cygnet.lm.taken import taken_beside

_DEFAULT = Sampling()


class Meter(LanguageModel):
    """`inner`, with a line in the ledger at `path` for every call; the lines of earlier runs count as spent.

    After `stop`, or once a call has failed, every further call fails at once, so that programs side by side end soon.
    """

    def __init__(self, inner: LanguageModel, prices: PricesConfig, budget: BudgetConfig, path: Path) -> None:
        self.inner, self.name, self.local = inner, inner.name, inner.local
        self._prices, self._budget, self._ledger = to_prices(prices), budget, Ledger(path)
        self._before = spent_before(path)
        self._failure: UserError | None = None

    @property
    def spent(self) -> Usage:
        """Of all runs in this folder."""
        return self._before + self._ledger.usage

    def check(self) -> None:
        """Raise BudgetError when the budget is spent."""
        spent = self.spent
        for key, limit, taken in (
            ("money", self._budget.money, spent.cost),
            ("tokens", self._budget.tokens, spent.tokens),
        ):
            if limit is not None and taken >= limit:
                raise BudgetError(f"the budget is spent: budget.{key} is {limit:g}, and {taken:g} are taken.")

    def stop(self, reason: str) -> None:
        """Let every further call fail."""
        self._failure = self._failure or UserError(reason)

    def around(self, inner: LanguageModel) -> "Meter":
        """The same ledger and budget around another model."""
        other = copy(self)
        other.inner, other.name, other.local = inner, inner.name, inner.local
        return other

    def enter(self, usage: Usage) -> None:
        """Count what was not asked of the model but taken all the same, such as training."""
        self._ledger.enter(self.name, usage)

    def go_on(self) -> None:
        """Allow calls again."""
        self._failure = None

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling | Sequence[Sampling] = _DEFAULT, n: int = 1
    ) -> list[list[Reply]]:
        """The inner model's replies, with their price. Raises BudgetError, or whatever the inner model does."""
        with self._asking():
            replies = self.inner.generate(prompts, sampling, n)
        priced = [[self._priced(reply) for reply in several] for several in replies]
        self._ledger.enter(self.name, sum((reply.usage for several in priced for reply in several), Usage()))
        return priced

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str], top: int = 0) -> list[Reply]:
        """The inner model's, with its price."""
        with self._asking():
            scored = self.inner.score(prompts, continuations, top)
        replies = [self._priced(reply) for reply in scored]
        self._ledger.enter(self.name, sum((reply.usage for reply in replies), Usage()))
        return replies

    def stream(self, prompt: Prompt, sampling: Sampling = _DEFAULT) -> Generator[str, None, Reply]:
        """The whole reply in one piece: what is priced has ended."""
        [[reply]] = self.generate([prompt], sampling)
        yield reply.text
        return reply

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Around a call, if there may be one. When it fails, what was answered beside the failure is entered."""
        if self._failure:
            raise self._failure
        self.check()
        try:
            yield
        except UserError as error:
            self._failure = error
            if (beside := taken_beside(error)) != Usage():
                self._ledger.enter(self.name, self._with_cost(beside))
            raise

    def _priced(self, reply: Reply) -> Reply:
        return replace(reply, usage=self._with_cost(reply.usage))

    def _with_cost(self, usage: Usage) -> Usage:
        cost = self._prices.cost(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens)
        return replace(usage, cost=cost)


def to_prices(config: PricesConfig) -> Prices:
    """The prices as a ledger takes them."""
    return Prices(config.prompt, config.prompt if config.cached is None else config.cached, config.completion)


def spent_before(path: Path) -> Usage:
    """What the lines of a ledger add up to; one that a crash cut short is dropped, or the next would go on in it."""
    total = Usage()
    for number, line in enumerate(whole_lines(path), 1):
        try:
            row = json.loads(line)
            total += Usage(**{name: row[name] for name in Usage.__dataclass_fields__})
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path}, row {number}: is no line of a ledger ({error}). Remove it.") from error
    return total
