import warnings
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.generation.calculator import calculate


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("0.1 + 0.2", "0.3"),
        ("37 * 48", "1776"),
        ("123456789 * 987654321", "121932631112635269"),
        ("--5", "5"),
        ("2 + 3 * 4", "14"),
        ("(2 + 3) * 4", "20"),
        ("-2 ** 2", "-4"),
        ("2 ** 3 ** 2", "512"),
        ("2 ** -3", "0.125"),
        ("-7 // 2", "-4"),
        ("-7 % 3", "2"),
        ("1/3 * 3", "1"),
        ("1e3 + .5", "1000.5"),
        ("-0.05 * 1", "-0.05"),
        ("sqrt(2.25)", "1.5"),
        ("abs(-3) + min(4, 2.5) + max(1, 2, 3)", "8.5"),
        ("round(2.675, 2)", "2.68"),
        ("round(1234, -2)", "1200"),
        ("0 ** 0", "1"),
        ("1 ** 1000000", "1"),
        ("(0.1\n + 0.2)", "0.3"),
    ],
)
def test_exact_values_are_printed_exactly(expression: str, value: str) -> None:
    assert calculate(expression) == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 / 3", "0.333333333333"),
        ("sqrt(2)", "1.41421356237"),
        ("2 ** 0.5", "1.41421356237"),
        ("8 ** (1/3)", "2"),
        ("10 ** 40 / 3", "3.33333333333e+39"),
        ("1.005 ** 360", "6.02257521226"),
        ("1 / 10 ** 50", "1e-50"),
    ],
)
def test_what_has_no_short_decimal_is_rounded_and_says_so(expression: str, value: str) -> None:
    assert calculate(expression) == f"{value} (rounded)"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("1 / 0", "division by zero"),
        ("0 ** -1", "division by zero"),
        ("5 % 0", "division by zero"),
        ("sqrt(-1)", "square root of a negative"),
        ("(-8) ** 0.5", "square root of a negative"),
        ("(-8) ** (1/3)", "not positive"),
        ("1,000 * 2", "write 1000"),
        ("2 +", "not an arithmetic expression"),
        ("sqrt()", "not an arithmetic expression"),
        ("min()", "not an arithmetic expression"),
        ("round(1.5, 0.5)", "whole n"),
        ("", "not an arithmetic expression"),
        ("two + 2", "only numbers"),
        ("2 ^ 3", "only numbers"),
        ("__import__('os').system('id')", "only numbers"),
        ("(1).real", "only numbers"),
        ("0x10", "only numbers"),
        ("1 if 2 else 3", "only numbers"),
        ("...", "not an arithmetic expression"),
        ("7 << 2", "only numbers"),
        ("1" + " + 1" * 100, "longer than"),
    ],
)
def test_mistakes_come_back_in_words(expression: str, words: str) -> None:
    result = calculate(expression)
    assert result.startswith("error: ")
    assert words in result


@pytest.mark.parametrize(
    "expression",
    [
        "9**9**9",
        "9**9**9**9**9",
        "(-9)**9**9",
        "2**-999999999",
        "1e999999",
        "1e99999999999999999999999",
        "1e-999999",
        "10**300 * 10**300",
        "9**9**9.5",
        "1.5**(9**99)",
        "9" * 299,
        "((((9**99)**99)**99)**99)**99",
    ],
)
def test_what_would_be_huge_is_refused_without_being_computed(expression: str) -> None:
    result = calculate(expression)  # computing these takes minutes, or all memory
    assert result.startswith("error: ") or len(result) < 320


@pytest.mark.parametrize("expression", ["(" * 150 + "1" + ")" * 149, "-" * 299 + "1", "sqrt(" * 55 + "1" + ")" * 55])
def test_deep_nesting_does_no_harm(expression: str) -> None:
    assert calculate(expression)


def test_a_long_sum_is_no_deep_nesting() -> None:
    assert calculate("+".join("1" * 150)) == "150"


@given(st.text(alphabet="0123456789.+-*/%()e, sqrtabminxound\n\t", max_size=40) | st.text(max_size=40))
def test_any_text_gets_an_answer_and_prints_no_warning(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(calculate(text), str)


@given(st.decimals(-(10**6), 10**6, places=3), st.decimals(-(10**6), 10**6, places=3), st.sampled_from(["+", "-", "*"]))
def test_decimals_are_exact(a: Decimal, b: Decimal, operation: str) -> None:
    exact = {"+": Fraction(a) + Fraction(b), "-": Fraction(a) - Fraction(b), "*": Fraction(a) * Fraction(b)}
    assert Fraction(calculate(f"{a:f} {operation} ({b:f})")) == exact[operation]


@given(st.integers(-(10**9), 10**9), st.sampled_from(["+", "-", "*", "//", "%"]), st.integers(-(10**9), 10**9))
def test_whole_numbers_agree_with_python(left: int, operator: str, right: int) -> None:
    expression = f"({left}) {operator} ({right})"
    if operator in ("//", "%") and right == 0:
        assert calculate(expression) == "error: division by zero"
    else:
        assert calculate(expression) == str(eval(expression))  # noqa: S307 (numbers and an operator from above)
