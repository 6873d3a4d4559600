"""What all searches share: states are proposed and valued side by side, once each, within hard caps."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, NamedTuple

from cygnet.errors import UserError
from cygnet.lm.base import LanguageModel
from cygnet.techniques.base import Answer, Asking, Program, Result, Technique, step, together
from cygnet.techniques.budget import Budget, SpentError
from cygnet.techniques.forms import joined
from cygnet.techniques.search.problem import Problem, State, checked, resolved


class Valued(NamedTuple):
    """A state and how promising it is."""

    state: Any
    value: float


@dataclass
class Search(Technique):
    """Looks for a state that solves the problem, and answers with the first it finds.

    tokens: at most so many are read and written for a question. states: at most so many are looked at. Both caps are
    never exceeded. Without a solution the answer's value is None, and its text that of the most promising state.
    """

    lm: LanguageModel
    problem: Problem[Any]
    tokens: int | None = field(default=None, kw_only=True)
    states: int = field(default=1000, kw_only=True)

    def __post_init__(self) -> None:
        if self.states < 1:
            raise UserError(f"a search must look at one state at least, not {self.states}.")

    @abstractmethod
    def explore(self, explorer: "Explorer[Any]", start: Any) -> Asking[None]:
        """Look for a solution until there is one, nothing is left to look at, or a cap is reached."""

    def program(self, question: str) -> Program:
        """Search, and answer with the solution."""
        explorer = Explorer(self.problem, Budget(self.lm, self.tokens), self.states)
        start = self.problem.start(question)
        explorer.see(start)
        if not explorer.over:
            yield from self.explore(explorer, start)
        return explorer.answer()


class Explorer(Generic[State]):
    """One question's search: what has been looked at, what was found, and what it may still take."""

    def __init__(self, problem: Problem[State], budget: Budget, states: int) -> None:
        self.problem = problem
        self._budget, self._most = budget, states
        self._seen: set[State] = set()
        self._solution: State | None = None
        self._best: Valued | None = None
        self._capped = ""
        self.proposed = 0  # by the last call of `children`, states seen before included

    @property
    def over(self) -> bool:
        """Whether there is a solution, or a cap was reached."""
        return self._solution is not None or bool(self._capped)

    def see(self, state: State) -> bool:
        """Look at a state: whether it is new, and the cap allows it."""
        if state in self._seen:
            return False
        if len(self._seen) == self._most:
            self._capped = self._capped or f"the cap of {self._most} states"
            return False
        self._seen.add(state)
        if len(self._seen) == 1 and self.problem.done(state):
            self._solution = state
        return True

    def children(self, parents: Sequence[State]) -> Asking[list[list[Valued]]]:
        """The new states one step on from each of `parents`, with their values; none once there is a solution."""
        proposed = yield from self._all([resolved(self.problem.propose(state)) for state in parents])
        self.proposed = sum(len(states or ()) for states in proposed)
        families = [[state for state in states or () if self.see(state)] for states in proposed]
        new = [state for family in families for state in family]
        if solutions := [state for state in new if self.problem.done(state)]:
            yield from self._choose(solutions)
            return [[] for _ in parents]
        found = dict(zip(new, (yield from self._values(new)), strict=True))
        return [[valued for state in family if (valued := found[state])] for family in families]

    def answer(self) -> Answer:
        """The solution; or else the most promising state's text, without a value."""
        looked = "1 state" if len(self._seen) == 1 else f"{len(self._seen)} states"
        if self._solution is not None:
            answer = self.problem.answer(self._solution)
            return replace(answer, note=joined(answer.note, f"found among {looked}"))
        why = f"stopped by {self._capped}" if self._capped else "no path left"
        text = self.problem.answer(self._best.state).text if self._best else ""
        return Answer(None, text, note=f"no solution among {looked}: {why}")

    def report(self, name: str, states: Sequence[Valued]) -> Asking[None]:
        """Write into the trace what the search made of some states, a line each."""
        lines = (f"{value:.3g}  {' | '.join(self._text(state).splitlines()[-1:])}" for state, value in states)
        yield [step(name, "\n".join(lines))]

    def _choose(self, solutions: Sequence[State]) -> Asking[None]:
        """Of several solutions the most valued one, the first if that can't be known; one needs no value."""
        self._solution = solutions[0]
        if len(solutions) > 1:
            values = [valued for valued in (yield from self._values(solutions)) if valued]
            if values:
                self._solution = max(values, key=lambda valued: valued.value).state

    def _values(self, states: Sequence[State]) -> Asking[list[Valued | None]]:
        values = yield from self._all([resolved(self.problem.value(state)) for state in states])
        found = [
            None if value is None else Valued(state, checked(value, self._text(state)))
            for state, value in zip(states, values, strict=True)
        ]
        for valued in found:
            if valued and (self._best is None or valued.value > self._best.value):
                self._best = valued
        return found

    def _all(self, programs: Sequence[Asking[Result]]) -> Asking[list[Result | None]]:
        return (yield from together([self._affordable(program) for program in programs]))

    def _affordable(self, program: Asking[Result]) -> Asking[Result | None]:
        """The program's result; None when there are not enough tokens left for it."""
        try:
            return (yield from self._budget.charge(program))
        except SpentError as spent:
            self._capped = self._capped or f"the cap on tokens: {spent}"
            return None

    def _text(self, state: State) -> str:
        return self.problem.answer(state).text
