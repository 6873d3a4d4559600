import re
from fractions import Fraction
from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.errors import UserError
from cygnet.evaluation import game_of_24
from cygnet.evaluation.game_of_24 import (
    Position,
    can_win,
    check,
    check_moves,
    game,
    legal_moves,
    played,
    sampled_moves,
    solution,
    start,
)
from cygnet.lm.base import LanguageModel, Reply, Usage
from cygnet.techniques import Answer
from cygnet.techniques.search import BeamSearch

numbers = st.integers(1, 13)
puzzles = st.tuples(numbers, numbers, numbers, numbers).map(lambda four: " ".join(map(str, four)))


def makes(values: list[Fraction]) -> bool:
    """Whether 24 can be made, by trying everything, negative numbers included."""
    if len(values) == 1:
        return values[0] == 24
    for a, b, *rest in permutations(values):
        results = [a + b, a - b, a * b, *([a / b] if b else [])]
        if any(makes([result, *rest]) for result in results):
            return True
    return False


def test_1362_of_1820_can_be_solved() -> None:
    found = game_of_24.solvable()
    assert len(found) == len(set(found)) == 1362
    assert "1 1 1 1" not in found
    assert "3 3 8 8" in found  # 8 / (3 - 8 / 3)


@given(st.lists(st.integers(0, 13), min_size=1, max_size=3))
def test_what_can_be_won_is_what_trying_everything_finds(values: list[int]) -> None:
    assert can_win([Fraction(value) for value in values]) == makes([Fraction(value) for value in values])


@pytest.mark.parametrize("question", ["3 3 8 8", "1 5 5 5", "1 1 1 1", "1 1 1 11", "13 13 13 13", "2 3 5 12"])
def test_four_numbers_too(question: str) -> None:
    assert can_win(start(question).numbers) == makes(list(start(question).numbers))


@given(puzzles)
def test_a_solution_passes_both_checks(question: str) -> None:
    position = solution(question)
    if position is None:
        assert not can_win(start(question).numbers)
    else:
        answer = game(lambda state: 0.0).answer(position)
        assert check(question, answer) is None
        assert check_moves(question, answer) is None
        assert len(answer.text.splitlines()) == 3


@given(puzzles)
def test_every_legal_move_can_be_played_in_its_own_words(question: str) -> None:
    position = start(question)
    for after in legal_moves(position):
        assert played(position, after.lines[-1]) == after
        assert len(after.numbers) == 3
        assert game_of_24.as_lines(after).startswith(game_of_24.as_lines(position))


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("4 + 9 = 14", "4 + 9 is 13, not 14"),
        ("4 + 5 = 9", "there is no 5 left"),
        ("9 + 9 = 18", "there is no 9 left"),
        ("4 - 9 = -5", "4 - 9 is negative: take the smaller from the larger"),
        ("4 - 9 = 5", "4 - 9 is negative: take the smaller from the larger"),
        ("9 - 4 = -5", "9 - 4 is 5, not 5"),
        ("I would add", 'this is not a move, such as "4 + 9 = 13"'),
        ("4 + 9 = 1/0", 'this is not a move, such as "4 + 9 = 13"'),
        ("4 + 9 = 13.5", 'this is not a move, such as "4 + 9 = 13"'),
        ("4 + 9 = " + "1" * 5000, 'this is not a move, such as "4 + 9 = 13"'),
    ],
)
def test_wrong_moves_are_told_why(line: str, wrong: str) -> None:
    assert played(start("4 9 10 13"), line) == wrong


def test_moves_with_fractions_and_zero() -> None:
    position = start("3 3 8 8")
    for line in ("8 / 3 = 8/3", "3-8/3=1/3", " 8 / 1/3 = 24 (left: whatever)"):
        position = played(position, line)
        assert isinstance(position, Position), position
    assert position.solved
    assert position.formulas == ("(8 / (3 - (8 / 3)))",)
    nothing = played(start("5 5 1 2"), "5 - 5 = 0")
    assert played(nothing, "2 / 0 = 0") == "nothing can be divided by 0"
    assert all(after.numbers for after in legal_moves(nothing))


@pytest.mark.parametrize(
    ("formula", "wrong"),
    [
        ("(10 - 4) * (13 - 9)", None),
        ("(10 - 4) * (13 - 9) = 24", None),
        ("(10 - 4) * (13 + 9)", "(10 - 4) * (13 + 9) is 132, not 24"),
        ("4 * 6", "4 * 6 does not use each of 4 9 10 13 exactly once"),
        ("10 + 10 + 4", "10 + 10 + 4 does not use each of 4 9 10 13 exactly once"),
        ("4 + 9 + 10 + 13 -", "4 + 9 + 10 + 13 - is error: not an arithmetic expression, not 24"),
        ("4 ** 9 + 10 - 13", "'4 ** 9 + 10 - 13' is not a formula of whole numbers, + - * / and parentheses"),
        ("__import__('os')", "\"__import__('os')\" is not a formula of whole numbers, + - * / and parentheses"),
        (None, "'None' is not a formula of whole numbers, + - * / and parentheses"),
    ],
)
def test_formulas_are_checked(formula: str | None, wrong: str | None) -> None:
    assert check("4 9 10 13", Answer(formula, "")) == wrong


def test_thirds_are_exact() -> None:
    assert check("3 3 8 8", Answer("8 / (3 - 8 / 3)", "")) is None


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("10 - 4 = 6\n13 - 9 = 4\n6 * 4 = 24\n", None),
        ("10 - 4 = 6\n13 - 9 = 4\n6 + 4 = 10", "what is left is 10, not 24"),
        ("10 - 4 = 6\n13 - 9 = 5", "'13 - 9 = 5': 13 - 9 is 4, not 5"),
        ("", "what is left is 4 9 10 13, not 24"),
    ],
)
def test_moves_are_checked(text: str, wrong: str | None) -> None:
    assert check_moves("4 9 10 13", Answer(None, text)) == wrong


class Player(LanguageModel):
    """Plays at random, and now and then wrongly."""

    name = "player"

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def generate(self, prompts, sampling, n=1):
        self.prompts += prompts
        return [[self._move(prompt, Random(f"{prompt}{i}")) for i in range(n)] for prompt in prompts]

    def stream(self, prompt, sampling):
        raise NotImplementedError

    score = stream

    @staticmethod
    def _move(prompt: str, random: Random) -> Reply:
        left = re.sub(r".*left: |\).*", "", prompt.splitlines()[-1]).split()
        (a, b), sign = random.sample(left, 2), random.choice("+*")
        result = Fraction(a) + Fraction(b) if sign == "+" else Fraction(a) * Fraction(b)
        return Reply(f"{a} {sign} {b} = {result + (random.random() < 0.2)}", "stop", Usage(5, 5, calls=1))


def test_moves_of_a_model_are_checked_and_searched() -> None:
    player = Player()
    problem = game(lambda position: float(can_win(position.numbers)), sampled_moves(game_of_24.as_lines, k=8))
    found = BeamSearch(player, problem)("1 2 3 4")
    assert check("1 2 3 4", found) is None
    assert check_moves("1 2 3 4", found) is None
    assert player.prompts[0] == "1 2 3 4\n"
    assert all(prompt.startswith("1 2 3 4\n") for prompt in player.prompts)
    rejected = [text for entry in found.trace if entry.name == "reject" for text in entry.texts]
    assert rejected
    assert all(re.search(r"is \d+, not \d+$", text) for text in rejected)


def test_legal_moves_and_a_perfect_evaluator_solve_what_can_be_solved() -> None:
    search = BeamSearch(Player(), game(lambda position: float(can_win(position.numbers))), width=1)
    questions = ["3 3 8 8", "1 5 5 5", "4 9 10 13", "1 1 1 1"]
    assert [
        check(question, found) is None for question, found in zip(questions, search.run(questions), strict=True)
    ] == [*(True, True, True, False)]


@pytest.mark.parametrize("question", ["", "1 2 3", "1 2 3 x", "1 2 3 -4", "1 2 3 ²"])
def test_a_question_that_is_no_game_is_refused(question: str) -> None:
    with pytest.raises(UserError, match="four whole numbers"):
        start(question)
