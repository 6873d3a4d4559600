"""Intervals over prompts."""

import pytest

from cygnet.stages.intervals import prompt_interval


def test_asking_the_same_prompts_again_adds_no_certainty() -> None:
    gains, prompts = [0.0, 1.0, 0.0, 1.0, 1.0, 0.0], list("abcdef")
    once = prompt_interval(gains, [1.0] * 6, prompts, seed=1)
    again = prompt_interval(gains * 10, [1.0] * 60, prompts * 10, seed=1)
    assert again == pytest.approx(once)


def test_the_interval_is_around_the_ratio_of_sums() -> None:
    low, high = prompt_interval(
        [3.0, 1.0, 2.0, 0.0] * 50, [4.0, 2.0, 2.0, 2.0] * 50, [str(i) for i in range(200)], seed=1
    )
    assert low < 0.6 < high
    assert high - low < 0.2
