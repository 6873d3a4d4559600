"""Numbers read as a person would write them."""

import pytest

from cygnet.page.formats import duration, interval, number, percent, signed, size

S = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0"), (26_412.5, "26,412"), (942_336, "942k"), (9_830_400, "9.83M"), (1.4694, "1.469"),
     (1_250.0, "1,250"), (-3.5, "-3.500"), (2e12, "2T")],
)  # fmt: skip
def test_numbers(value, text):
    assert number(value) == text


def test_shares_signs_and_intervals():
    assert percent(0.826) == f"83{S}%"
    assert percent(None) == "–"
    assert signed(-0.104) == "−0.10"
    assert signed(0.104) == "+0.10"
    assert interval([-1.0, 1258.4], 0) == "−1 to 1,258"
    assert interval(None) == "–"


def test_durations_and_sizes():
    assert [duration(seconds) for seconds in (None, 3.21, 59.99, 119.7, 7_512)] == [
        "–", f"3{S}s", f"1{S}min 00{S}s", f"2{S}min 00{S}s", f"2{S}h 05{S}min",
    ]  # fmt: skip
    assert [size(count) for count in (None, 12, 4_113_870)] == ["–", f"12{S}B", f"4.1{S}MB"]
