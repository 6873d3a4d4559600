import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.intervals import paired, wilson


def test_wilson_is_the_published_interval() -> None:
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
    for right, items, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        assert wilson(right, items) == pytest.approx((low, high), abs=5e-5)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=10, max_size=60))
def test_a_paired_interval_is_never_empty_and_turns_around_with_its_sides(pairs: list[tuple[bool, bool]]) -> None:
    first, second = zip(*pairs, strict=True)
    low, high = paired(first, second, 0)
    assert -1 <= low < high <= 1
    back_low, back_high = paired(second, first, 0)
    assert (-back_high, -back_low) == pytest.approx((low, high), abs=2.5 / len(pairs))


def test_a_paired_interval_covers_the_true_difference() -> None:
    rng = random.Random(3)
    covered = 0
    for trial in range(300):
        hard = [rng.random() for _ in range(80)]
        first, second = [h < 0.7 for h in hard], [h < 0.7 and rng.random() < 0.8 for h in hard]
        low, high = paired(first, second, trial)
        covered += low <= 0.7 * 0.2 <= high
    assert covered >= 0.93 * 300
