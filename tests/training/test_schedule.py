import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.training.schedule import multiplier

STEPS = 100


@given(st.sampled_from(["warmup-stable-decay", "linear"]), st.integers(1, 500), st.integers(0, 100))
def test_it_rises_to_one_and_then_never_rises_again(schedule, steps: int, warmup: int) -> None:
    values = [multiplier(step, steps, schedule, warmup) for step in range(steps)]
    assert all(0 < value <= 1 for value in values)
    warmup = min(warmup, steps // 10)
    rising, rest = values[:warmup], values[warmup:]
    assert rising == sorted(rising)
    assert rest == sorted(rest, reverse=True)
    assert rest[0] == 1


def test_warmup_starts_above_nothing() -> None:
    values = [multiplier(step, STEPS, "warmup-stable-decay", warmup=4) for step in range(6)]
    assert values == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])


def test_warmup_stable_decay_falls_in_the_second_half() -> None:
    values = [multiplier(step, STEPS, "warmup-stable-decay", warmup=10) for step in range(STEPS)]
    assert set(values[10:51]) == {1}
    assert values[75] == pytest.approx(0.5)
    assert values[99] == pytest.approx(0.02)


def test_linear_falls_from_the_end_of_warmup() -> None:
    values = [multiplier(step, 2 * STEPS, "linear", warmup=20) for step in range(2 * STEPS)]
    assert values[20] == 1
    assert values[110] == pytest.approx(0.5)
    assert values[199] == pytest.approx(1 / 180)


def test_a_short_stage_reaches_its_rate() -> None:
    """Of 5 updates with a warm-up of 10 the last would have had 45 % of it."""
    assert [multiplier(step, 5, "linear", warmup=10) for step in range(5)] == pytest.approx([1, 0.8, 0.6, 0.4, 0.2])
