from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet import UserError
from cygnet.recipe.planner.batches import (
    deepseek_batch,
    deepseek_rate,
    recipe_rates,
    rows_per_step,
    step_law_batch,
    step_law_rate,
)
from cygnet.recipe.planner.laws import LAWS, Law, at_ratio, find_law
from cygnet.recipe.planner.shape import nearest_shape

COMPUTES = st.floats(1e10, 1e27)


@given(st.sampled_from(LAWS), COMPUTES, COMPUTES)
def test_more_compute_never_gives_a_smaller_model_nor_fewer_tokens(law: Law, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert law.parameters(less) <= law.parameters(more)
    assert less / law.parameters(less) <= more / law.parameters(more) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("compute", "parameters", "tokens"),
    [(1.92e19, 400e6, 8.0e9), (1.23e22, 10e9, 205.1e9), (5.76e23, 67e9, 1.5e12), (9.90e24, 280e9, 5.9e12)],
)
def test_chinchilla_is_its_papers_table(compute: float, parameters: float, tokens: float) -> None:
    got = find_law("chinchilla").parameters(compute)
    assert isclose(got, parameters, rel_tol=0.04)
    assert isclose(compute / (6 * got), tokens, rel_tol=0.08)  # the table is rounded


@given(st.sampled_from(["chinchilla-3", "refit"]), st.floats(1e18, 1e25), st.floats(0.5, 2))
def test_the_fitted_formulas_are_at_their_least(key: str, compute: float, factor: float) -> None:
    """The published losses themselves, constants typed in again, never lie lower beside the optimum."""
    a, alpha, b, beta = {
        "chinchilla-3": (406.4, 0.34, 410.7, 0.28),
        "refit": (482.01, 0.3478, 2085.43, 0.3658),
    }[key]

    def loss(parameters: float) -> float:
        return a / parameters**alpha + b / (compute / 6 / parameters) ** beta

    best = find_law(key).parameters(compute)
    assert loss(best) <= loss(best * factor) * (1 + 1e-12)


def test_the_refit_gives_about_twenty_tokens_a_parameter_and_kaplan_few() -> None:
    def ratio(key: str, compute: float) -> float:
        return compute / (6 * find_law(key).parameters(compute) ** 2)

    assert 18 < ratio("refit", 5.76e23) < 26  # their abstract: consistent with 20
    assert ratio("chinchilla-3", 5.76e23) > 60
    assert ratio("kaplan", 5.76e23) < 1


@given(st.floats(0.1, 1e4), COMPUTES)
def test_a_ratio_is_kept(ratio: float, compute: float) -> None:
    parameters = at_ratio(ratio).parameters(compute)
    assert isclose(compute / (6 * parameters) / parameters, ratio, rel_tol=1e-9)


def test_an_unknown_law_is_told_the_known_ones() -> None:
    with pytest.raises(UserError, match="no law is called 'moore'. There are: kaplan, chinchilla"):
        find_law("moore")


def test_batches_and_rates_are_near_what_was_used() -> None:
    assert isclose(step_law_batch(1.4e12), 4e6, rel_tol=0.3)  # LLaMA-65B: 4M tokens, 1.5e-4
    assert isclose(step_law_rate(65e9, 1.4e12), 1.5e-4, rel_tol=0.3)
    assert isclose(deepseek_batch(8.6e23), 18.9e6, rel_tol=0.1)  # DeepSeek 67B: 4,608 rows of 4,096, 3.2e-4
    assert isclose(deepseek_rate(8.6e23), 3.2e-4, rel_tol=0.1)


@given(st.floats(1, 1e8), st.integers(16, 8192), st.integers(1, 4096))
def test_every_rank_has_a_row(batch: float, context: int, ranks: int) -> None:
    rows = rows_per_step(batch, context, ranks)
    assert rows >= ranks
    if rows > ranks:
        assert 0.7 < rows * context / batch < 1.5 or rows == 1


def test_rates_are_those_of_pretraining() -> None:
    shape = nearest_shape(1e6, 1_024, 256)
    assert recipe_rates(shape, 16) == pytest.approx((0.02, 0.01))
    assert recipe_rates(shape, 64) == pytest.approx((0.04, 0.02))
