import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.training.schedule import multiplier

STEPS = 100


@given(
    st.sampled_from(["warmup-stable-decay", "linear", "constant"]),
    st.integers(1, 500),
    st.integers(0, 100),
    st.floats(0, 1),
)
def test_it_rises_to_one_and_then_never_rises_again(schedule, steps: int, warmup: int, final: float) -> None:
    values = [multiplier(step, steps, schedule, warmup, final) for step in range(steps)]
    assert all(0 < value <= 1 for value in values)
    rising, rest = values[:warmup], values[warmup:]
    assert rising == sorted(rising)
    assert rest == sorted(rest, reverse=True)
    assert not rest or rest[0] == 1
    assert min(rest, default=1) >= final


def test_warmup_starts_above_nothing() -> None:
    assert [multiplier(step, STEPS, "constant", warmup=4) for step in range(6)] == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1, 1]
    )


def test_warmup_stable_decay_falls_in_the_second_half() -> None:
    values = [multiplier(step, STEPS, "warmup-stable-decay", warmup=10) for step in range(STEPS)]
    assert set(values[10:51]) == {1}
    assert values[75] == pytest.approx(0.5)
    assert values[99] == pytest.approx(0.02)


def test_linear_falls_from_the_end_of_warmup_to_its_floor() -> None:
    values = [multiplier(step, STEPS, "linear", warmup=20, final=0.2) for step in range(STEPS)]
    assert values[20] == 1
    assert values[60] == pytest.approx(0.6)
    assert values[99] == pytest.approx(0.21)
