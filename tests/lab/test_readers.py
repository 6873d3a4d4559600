from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.lab.readers import ReadChoice, ReadJson, ReadNumber, ReadPattern, ReadText
from cygnet.techniques.parsing import last_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("It is 1,234.50.", "1234.5"),
        ("0.10", "0.1"),
        ("3/4", "0.75"),
        ("1/3 of it", "1/3"),
        ("2/6", "1/3"),
        ("-7.0", "-7"),
        ("6e3", "6000"),
        ("none", None),
        ("9" * 5000, None),
    ],
)
def test_a_number_is_written_one_way(text: str, value: str | None) -> None:
    assert ReadNumber()(text) == value


@given(st.one_of(st.integers(), st.decimals(allow_nan=False, allow_infinity=False, places=4)))
def test_a_number_keeps_its_value(number: int | Decimal) -> None:
    read = ReadNumber()(f"so {number:f}" if isinstance(number, Decimal) else f"so {number}")
    assert read is not None
    assert Fraction(last_number(read)) == Fraction(number)


def test_what_counts_can_be_behind_words_or_in_the_first_line() -> None:
    assert ReadNumber(after="Answer:")("3 and 4\nAnswer: 7 apples\nor 8") == "7"
    assert ReadNumber(after="Answer:")("7") is None
    assert ReadNumber(first_line=True)("\n 5 \n 6") == "5"
    assert ReadText()("  as it\nstands ") == "as it\nstands"
    assert ReadChoice(choices=("yes", "no"))("No, I mean Yes.") == "yes"
    assert ReadPattern(pattern=r"#(\d+)")("#1, then #22") == "22"
    assert ReadPattern(pattern=r"\d+")("none") is None
    assert ReadJson(after="JSON:")('{"a": 0} JSON: {\n"a": 1}') == {"a": 1}
    assert ReadJson(after="JSON:")('{"a": 0}') is None
