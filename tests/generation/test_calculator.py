import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.generation.calculator import calculate


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("17 * 23", "391"),
        (" 2 + 3 * 4 - 5 ", "9"),
        ("(2 + 3) * 4", "20"),
        ("-7 // 2", "-4"),
        ("-7 % 3", "2"),
        ("--5", "5"),
        ("123456789 * 987654321", "121932631112635269"),
        ("0", "0"),
    ],
)
def test_whole_numbers_are_exact(expression: str, value: str) -> None:
    assert calculate(expression) == value


@given(st.integers(-(10**9), 10**9), st.sampled_from(["+", "-", "*", "//", "%"]), st.integers(-(10**9), 10**9))
def test_it_agrees_with_python(left: int, operator: str, right: int) -> None:
    expression = f"({left}) {operator} ({right})"
    if operator in ("//", "%") and right == 0:
        assert calculate(expression) == "error: division by zero"
    else:
        assert calculate(expression) == str(eval(expression))  # noqa: S307 (numbers and an operator from above)


@pytest.mark.parametrize(
    "expression",
    [
        *("", "x", "a + 1", "print(1)", "().__class__", "__import__('os')", "'a' * 3", "[1]", "1.5 + 1", "1e3", "True"),
        *("2 ** 10", "1 / 2", "1 << 3", "+5", "~1", "1 if 2 else 3", "1if 2", "1 < 2", "1, 2", "5 5", "(1", "(1)(2)"),
        *("2 # two", "'\\d'", "1\0", "٣ + ٤", "0x10", "1_0", "9" * 40, "10 * " * 15 + "1" + "0" * 20),
    ],
)
def test_anything_else_is_an_error_in_words(expression: str) -> None:
    assert calculate(expression) == "error: not arithmetic"


def test_it_can_be_asked_for_anything_but_not_for_long() -> None:
    assert calculate("9" * 101) == "error: too long"
    assert calculate("-" * 99 + "1") == "-1"
    assert calculate("(" * 49 + "1" + ")" * 49).isdigit()


@given(st.text(alphabet=st.sampled_from("0123456789+-*/% ()\n"), max_size=60))
def test_what_looks_like_arithmetic_has_a_value_or_an_error(expression: str) -> None:
    result = calculate(expression)
    assert result.startswith("error: ") or isinstance(ast.literal_eval(result), int)
