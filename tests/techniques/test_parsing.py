from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.errors import UserError
from cygnet.techniques import after, first_line, json_object, last_number, one_of, whole


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("So 3 apples and 4 pears make 7.", 7),
        ("It costs $1,234,567.89 in all", Decimal("1234567.89")),
        ("12\u202f345 people", 12345),
        ("about -5 degrees", -5),
        ("a loss of −$20", -20),
        ("10-5", 5),
        ("0.10", Decimal("0.1")),
        (".5", Decimal("0.5")),
        ("3/4 of it", Fraction(3, 4)),
        ("1/0", 0),
        ("6.02e23", Decimal("6.02e23")),
        ("50%", 50),
        ("(1, 2)", 2),
        ("1,2345", 2345),
        ("version 1.2.3", 3),
        ("answer:42", 42),
        ("12 of H2O", 12),
        ("none at all", None),
        ("", None),
        ("-", None),
        ("9" * 5000, None),
    ],
)
def test_the_last_number(text: str, value: object) -> None:
    assert last_number(text) == value


def test_equal_numbers_are_equal_however_written() -> None:
    assert len({last_number(text) for text in ("0.50", "1/2", "2/4", ".5")}) == 1
    assert len({last_number(text) for text in ("1,000", "1000", "1000.0", "1e3")}) == 1


@given(st.integers(-(10**12), 10**12))
def test_integers_are_read_as_python_prints_them(number: int) -> None:
    assert last_number(f"{number:,} apples") == last_number(str(number)) == number


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9))
def test_decimals_are_exact(number: Decimal) -> None:
    assert last_number(f"It is {number}.") == number


@given(st.text(alphabet='0123456789.,-−/eE$ {}[]":a\u00a0'))
def test_no_text_makes_a_parser_raise(text: str) -> None:
    for parse in (last_number, json_object, whole, first_line(), after(":", last_number), one_of(["a", "E"])):
        parse(text)


def test_after_reads_the_first_line_behind_the_last_marker() -> None:
    parse = after("Answer:")
    assert parse("Answer: 1?\nNo. answer:  2 \nQ: 3") == "2"
    assert parse("Answer:\n\n42\nmore") == "42"
    assert parse("Answer:") is None
    assert parse("42") is None
    assert after("The answer is", last_number)("The answer is 12 - 5 = 7.\n8 more") == 7


def test_one_of_takes_the_choice_named_last_by_its_own_spelling() -> None:
    parse = one_of(["yes", "no"])
    assert parse("Yes? Well, NO.") == "no"
    assert parse("I know nothing") is None
    assert one_of(["A", "B"])("(B), not a dog") == "B"  # exact spelling before other case
    assert one_of(["true", "not true"])("It is not true") == "not true"


@pytest.mark.parametrize("choices", [[], ["a", ""], ["yes", "Yes"]])
def test_choices_that_cannot_be_told_apart_are_refused(choices: list[str]) -> None:
    with pytest.raises(UserError, match="choices"):
        one_of(choices)


def test_an_empty_marker_is_refused() -> None:
    with pytest.raises(UserError, match="marker"):
        after(" ")


def test_the_last_whole_json_object() -> None:
    assert json_object('First {"a": 1}, then\n```json\n{"b": {"c": [2]}}\n``` and {broken') == {"b": {"c": [2]}}
    assert json_object('{"a": NaN}') is None
    assert json_object("[1, 2]") is None
    assert json_object('{"a":' * 5000) is None


def test_whole_text() -> None:
    assert whole(" a b\n") == "a b"
    assert whole(" \n") is None
