"""What a tree search searches."""

import math
from collections.abc import Callable, Generator, Hashable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import Generic, TypeVar

from cygnet.errors import UserError
from cygnet.techniques.base import Answer, Asking, Result

State = TypeVar("State", bound=Hashable)

Proposer = Callable[[State], Sequence[State] | Asking[Sequence[State]]]
Evaluator = Callable[[State], float | Asking[float]]


@dataclass(frozen=True)
class Problem(Generic[State]):
    """States, the steps between them, and how promising they look. Change a part with `dataclasses.replace`.

    start: the first state of a question. propose: the states one step on; none at a dead end. value: how promising a
    state is, more for better. done: whether it solves the problem. answer: what it amounts to as an answer.

    `propose` and `value` are plain functions (legal moves, exact checks), or programs that ask the model, as techniques
    do: `[[reply]] = yield [Ask(...)]`, and then return. Equal states are looked at once.
    """

    start: Callable[[str], State]
    propose: Proposer[State]
    value: Evaluator[State]
    done: Callable[[State], bool]
    answer: Callable[[State], Answer]


def resolved(found: Result | Asking[Result]) -> Asking[Result]:
    """What a function of a problem returned, or what its program returns when it has been run."""
    return (yield from found) if isinstance(found, Generator) else found


def random_values(seed: int = 0) -> Callable[[object], float]:
    """Values from 0 to 1 that say nothing, as a control: what a search gains over them, its values are worth."""
    return lambda state: _random(seed, state).random()


def playouts(problem: Problem[State], count: int = 1, depth: int = 100, seed: int = 0) -> Evaluator[State]:
    """The share of `count` random walks from a state that end in a solution, as in Kocsis & Szepesvári 2006.

    A walk takes proposed steps at random and is lost after `depth` of them. Meant for proposals that cost little.
    """
    if count < 1 or depth < 1:
        raise UserError(f"playouts need a count and a depth of at least 1, not {count} and {depth}.")

    def value(state: State) -> Asking[float]:
        random, won = _random(seed, state), 0
        for _ in range(count):
            won += yield from _walk(problem, state, depth, random)
        return won / count

    return value


def _walk(problem: Problem[State], state: State, depth: int, random: Random) -> Asking[bool]:
    for _ in range(depth):
        if problem.done(state):
            return True
        steps = yield from resolved(problem.propose(state))
        if not steps:
            return False
        state = random.choice(steps)
    return problem.done(state)


def checked(value: float, state: str) -> float:
    """The value of a state, if it is one. Raises UserError otherwise."""
    if math.isnan(value):
        raise UserError(f"the value of the state {state!r} is not a number (nan).")
    return value


def _random(seed: int, state: object) -> Random:
    """Random numbers of a state's own: the same whenever the search gets there."""
    return Random(blake2b(repr((seed, state)).encode(errors="surrogatepass"), digest_size=8).digest())
