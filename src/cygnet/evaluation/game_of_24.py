"""The Game of 24: four numbers, + - * / and parentheses, each number exactly once, to make 24.

It needs no data: of the 1,820 ways to draw four numbers from 1 to 13, repeats allowed, 1,362 can be solved. Yao et al.
2023 ("Tree of Thoughts", arXiv 2305.10601) made it the test of tree search. Arithmetic is exact, on fractions.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from itertools import combinations, combinations_with_replacement

from cygnet.errors import UserError
from cygnet.generation.calculator import calculate
from cygnet.generation.request import Sampling
from cygnet.lm.base import Prompt
from cygnet.techniques.base import Answer, Ask, Asking, step
from cygnet.techniques.search.problem import Evaluator, Problem, Proposer

TARGET = 24
_LARGEST = 13
_NUMBER = r"(\d{1,9}(?:/0{0,9}[1-9]\d{0,8})?)"
_MOVE = re.compile(rf"\s*{_NUMBER}\s*([-+*/])\s*{_NUMBER}\s*=\s*(-?){_NUMBER}(?![\d./])", re.ASCII)
_STEP = Sampling(temperature=0.7, max_new_tokens=48, stop=("\n",))


@dataclass(frozen=True)
class Position:
    """Numbers that are left, in order of size. Positions with the same numbers are equal, however they came about.

    formulas: how each number was made. lines: the question, and then the moves: "13 - 9 = 4 (left: 4 4 10)".
    """

    numbers: tuple[Fraction, ...]
    formulas: tuple[str, ...] = field(compare=False, repr=False)
    lines: tuple[str, ...] = field(compare=False, repr=False)

    @property
    def solved(self) -> bool:
        """Whether 24 alone is left."""
        return list(self.numbers) == [TARGET]


def start(question: str) -> Position:
    """The position that a question such as "4 9 10 13" asks about. Raises UserError when it is not four numbers."""
    words = question.split()
    if len(words) != 4 or not all(word.isascii() and word.isdigit() for word in words):
        raise UserError(f'a Game of 24 is four whole numbers, such as "4 9 10 13", not {question!r}.')
    numbers = sorted(map(int, words))
    formulas = tuple(map(str, numbers))
    return Position(tuple(map(Fraction, numbers)), formulas, (" ".join(formulas),))


def legal_moves(position: Position) -> list[Position]:
    """Every position one move on, once each. The smaller number is taken from the larger: none needs to be negative."""
    found: dict[Position, None] = {}
    for i, j in combinations(range(len(position.numbers)), 2):
        for result, first, sign, second in _results(position.numbers, i, j):
            found.setdefault(_moved(position, first, sign, second, result))
    return list(found)


def played(position: Position, line: str) -> Position | str:
    """The position after a move in words, "4 + 9 = 13"; or what is wrong with it. What follows the move is not read."""
    written = _MOVE.match(line)
    if not written:
        return 'this is not a move, such as "4 + 9 = 13"'
    first, sign, second, result = Fraction(written[1]), written[2], Fraction(written[3]), Fraction(written[5])
    left = list(position.numbers)
    for number in (first, second):
        if number not in left:
            return f"there is no {number} left"
        left.remove(number)
    if sign == "/" and not second:
        return "nothing can be divided by 0"
    true = _apply(first, sign, second)
    if true < 0:
        return f"{first} - {second} is negative: take the smaller from the larger"
    if true != result or written[4]:
        return f"{first} {sign} {second} is {true}, not {result}"
    i, j = _places(position.numbers, first, second)
    return _moved(position, i, sign, j, true)


def sampled_moves(show: Callable[[Position], Prompt], k: int = 8, sampling: Sampling = _STEP) -> Proposer[Position]:
    """Moves that the model writes after the prompt `show`, `k` in one request; only those that are right count."""

    def propose(position: Position) -> Asking[Sequence[Position]]:
        if len(position.numbers) == 1:
            return []
        [replies] = yield [Ask(show(position), sampling, k, "propose")]
        found = {line: played(position, line) for line in dict.fromkeys(reply.text.strip() for reply in replies)}
        yield [step("reject", f"{line}\n{wrong}") for line, wrong in found.items() if isinstance(wrong, str)]
        return list(dict.fromkeys(right for right in found.values() if isinstance(right, Position)))

    return propose


def as_lines(position: Position) -> str:
    """The numbers and then a move a line: the prompt after which a model that was taught to play writes the next."""
    return "".join(f"{line}\n" for line in position.lines)


def game(value: Evaluator[Position], propose: Proposer[Position] = legal_moves) -> Problem[Position]:
    """The game as a search problem. An answer's value is the formula, its text the moves."""
    return Problem(start, propose, value, lambda position: position.solved, _answer)


def check(question: str, answer: Answer) -> str | None:
    """What is wrong with a formula, the answer's value ("(10 - 4) * (13 - 9)"), or None."""
    formula = str(answer.value).partition("=")[0].strip()
    if not re.fullmatch(r"[\d\s()+*/-]{1,100}", formula, re.ASCII) or re.search(r"//|\*\*", formula):
        return f"{formula!r} is not a formula of whole numbers, + - * / and parentheses"
    if sorted(map(int, re.findall(r"\d+", formula))) != sorted(map(int, question.split())):
        return f"{formula} does not use each of {question} exactly once"
    result = calculate(formula)
    return None if result == str(TARGET) else f"{formula} is {result}, not {TARGET}"


def check_moves(question: str, answer: Answer) -> str | None:
    """What is wrong with an answer whose text is three moves, a line each, or None."""
    position = start(question)
    for line in answer.text.strip().splitlines():
        after = played(position, line)
        if isinstance(after, str):
            return f"{line.strip()!r}: {after}"
        position = after
    return None if position.solved else f"what is left is {_list(position.numbers)}, not {TARGET}"


def solution(question: str) -> Position | None:
    """A solved position with the moves that lead to it; None when there is none."""
    position = start(question)
    if not can_win(position.numbers):
        return None
    while not position.solved:
        position = next(after for after in legal_moves(position) if can_win(after.numbers))
    return position


def solvable() -> list[str]:
    """The 1,362 questions of numbers from 1 to 13 that have a solution, in order. Takes some seconds."""
    draws = combinations_with_replacement(range(1, _LARGEST + 1), 4)
    return [" ".join(map(str, draw)) for draw in draws if can_win(list(map(Fraction, draw)))]


def can_win(numbers: Sequence[Fraction]) -> bool:
    """Whether 24 can be made of the numbers, none of them negative: what a perfect evaluator knows."""
    return _can_win(tuple(sorted((number.numerator, number.denominator) for number in numbers)))


@cache
def _can_win(numbers: tuple[tuple[int, int], ...]) -> bool:
    """The same of numerators and denominators, which need not be reduced: many times faster than fractions."""
    if len(numbers) == 1:
        return numbers[0][0] == TARGET * numbers[0][1]
    for i, j in combinations(range(len(numbers)), 2):
        rest = [number for place, number in enumerate(numbers) if place not in {i, j}]
        (a, b), (c, d) = numbers[i], numbers[j]
        for result in (
            (a * d + c * b, b * d),
            (abs(a * d - c * b), b * d),
            (a * c, b * d),
            (a * d, b * c),
            (c * b, d * a),
        ):
            if result[1] and _can_win(tuple(sorted([*rest, result]))):
                return True
    return False


def _results(numbers: Sequence[Fraction], i: int, j: int) -> Iterator[tuple[Fraction, int, str, int]]:
    """What can be made of two numbers, the second no smaller: the result, and the move by its places and sign."""
    small, large = numbers[i], numbers[j]
    yield small + large, i, "+", j
    yield large - small, j, "-", i
    yield small * large, i, "*", j
    if small:
        yield large / small, j, "/", i
    if large:
        yield small / large, i, "/", j


def _apply(first: Fraction, sign: str, second: Fraction) -> Fraction:
    match sign:
        case "+":
            return first + second
        case "-":
            return first - second
        case "*":
            return first * second
    return first / second


def _places(numbers: Sequence[Fraction], first: Fraction, second: Fraction) -> tuple[int, int]:
    """Where two numbers stand, in two places though they be equal."""
    i = numbers.index(first)
    return i, next(j for j, number in enumerate(numbers) if number == second and j != i)


def _moved(position: Position, first: int, sign: str, second: int, result: Fraction) -> Position:
    made = list(zip(position.numbers, position.formulas, strict=True))
    (a, left), (b, right) = made[first], made[second]
    rest = [pair for place, pair in enumerate(made) if place not in {first, second}]
    rest = sorted([*rest, (result, f"({left} {sign} {right})")])
    numbers, formulas = tuple(number for number, _ in rest), tuple(formula for _, formula in rest)
    return Position(numbers, formulas, (*position.lines, f"{a} {sign} {b} = {result} (left: {_list(numbers)})"))


def _answer(position: Position) -> Answer:
    formula = position.formulas[0][1:-1] if len(position.formulas) == 1 else None  # less the outer parentheses
    return Answer(formula, "\n".join(position.lines[1:]))


def _list(numbers: Sequence[Fraction]) -> str:
    return " ".join(map(str, numbers))
