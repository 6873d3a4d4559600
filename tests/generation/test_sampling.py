import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cygnet.generation.request import Sampling
from cygnet.generation.sampling import choose, truncate, uniforms

LOGITS = torch.tensor([2.0, 0.0, 1.0, -1.0, 1.5])


def drawn(sampling: Sampling, count: int = 20_000) -> torch.Tensor:
    """Share of each token among many draws."""
    noise = torch.from_numpy(np.random.default_rng(0).random(count))
    chosen, _ = choose(LOGITS.expand(count, -1), noise, sampling)
    return torch.bincount(chosen, minlength=5) / count


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_with_their_probabilities(temperature: float) -> None:
    expected = (LOGITS / temperature).softmax(-1)
    torch.testing.assert_close(drawn(Sampling(temperature=temperature)), expected, rtol=0, atol=0.015)


def test_temperature_zero_takes_the_likeliest() -> None:
    assert drawn(Sampling(temperature=0.0)).tolist() == [1, 0, 0, 0, 0]


def test_top_k_draws_among_the_k_likeliest_in_proportion() -> None:
    expected = torch.where(torch.tensor([True, False, False, False, True]), LOGITS.exp(), 0.0)
    torch.testing.assert_close(drawn(Sampling(top_k=2)), expected / expected.sum(), rtol=0, atol=0.015)


def test_top_p_draws_among_the_fewest_that_make_it_up() -> None:
    probabilities = LOGITS.softmax(-1)  # 0.47, 0.06, 0.17, 0.02, 0.28

    def kept(**settings: float) -> list[bool]:
        return (truncate(probabilities[None], Sampling(**settings))[0] > 0).tolist()

    assert kept(top_p=0.7) == [True, False, False, False, True]
    assert kept(top_p=0.8) == [True, False, True, False, True]
    assert kept(top_p=1e-6) == [True, False, False, False, False]
    assert kept(top_p=0.8, top_k=1) == [True, False, False, False, False]


def test_min_p_keeps_what_is_near_the_likeliest() -> None:
    probabilities = LOGITS.softmax(-1)[None]  # 0.47, 0.06, 0.17, 0.02, 0.28
    assert (truncate(probabilities, Sampling(min_p=0.3))[0] > 0).tolist() == [True, False, True, False, True]
    assert (truncate(probabilities, Sampling(min_p=5.0))[0] > 0).tolist() == [True, False, False, False, False]


def test_a_bias_is_added_to_the_logits_of_its_tokens() -> None:
    sampling = Sampling(logit_bias={1: 2.0, 0: -1.0})
    expected = (LOGITS + torch.tensor([-1.0, 2.0, 0.0, 0.0, 0.0])).softmax(-1)
    torch.testing.assert_close(drawn(sampling), expected, rtol=0, atol=0.015)
    assert drawn(Sampling(temperature=0.0, logit_bias={3: 100.0})).tolist() == [0, 0, 0, 1, 0]


def test_the_repetition_penalty_makes_seen_tokens_less_likely_and_leaves_the_others() -> None:
    seen = torch.tensor([[True, False, False, True, False]])
    sampling = Sampling(repetition_penalty=2.0)
    noise = torch.from_numpy(np.random.default_rng(0).random(20_000))
    chosen, _ = choose(LOGITS.expand(20_000, -1), noise, sampling, seen.expand(20_000, -1))
    expected = torch.tensor([1.0, 0.0, 1.0, -2.0, 1.5]).softmax(-1)
    torch.testing.assert_close(torch.bincount(chosen, minlength=5) / 20_000, expected, rtol=0, atol=0.015)


def test_log_probabilities_are_the_models_own_whatever_steers_it() -> None:
    noise, seen = torch.zeros(1, dtype=torch.float64), torch.ones(1, 5, dtype=torch.bool)
    steered = Sampling(temperature=0.5, logit_bias={1: 9.0}, repetition_penalty=2.0, min_p=0.5)
    _, logprobs = choose(LOGITS[None], noise, steered, seen)
    torch.testing.assert_close(logprobs[0], (LOGITS / 0.5).log_softmax(-1))


@given(
    st.lists(st.floats(-8, 8, width=32), min_size=2, max_size=30),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 5),
    st.floats(0.01, 1),
)
def test_a_token_outside_the_nucleus_is_never_chosen(values: list[float], u: float, top_k: int, top_p: float) -> None:
    logits = torch.tensor([values])
    sampling = Sampling(top_k=top_k, top_p=top_p)
    chosen, logprobs = choose(logits, torch.tensor([u], dtype=torch.float64), sampling)
    probabilities = logits.softmax(-1)[0]
    likelier = probabilities[probabilities > (1 + 1e-5) * probabilities[chosen]]  # beyond rounding
    assert likelier.sum() < top_p + 1e-5
    assert not top_k or len(likelier) < top_k
    torch.testing.assert_close(logprobs, logits.log_softmax(-1))


def test_log_probabilities_are_over_the_whole_vocabulary_at_the_temperature() -> None:
    noise = torch.zeros(1, dtype=torch.float64)
    _, logprobs = choose(LOGITS[None], noise, Sampling(temperature=0.5, top_k=1))
    torch.testing.assert_close(logprobs[0], (LOGITS / 0.5).log_softmax(-1))


def test_random_numbers_depend_on_the_requests_own_seed_alone() -> None:
    together = uniforms([(7, 0, 0), (7, 0, 1), (7, 3, 0)], 5)
    assert np.array_equal(together[2], uniforms([(7, 3, 0)], 5)[0])
    assert np.array_equal(together[2][:3], uniforms([(7, 3, 0)], 3)[0])
    rows = {tuple(row) for seed in (7, 8) for row in uniforms([(seed, 0, 0), (seed, 0, 1), (seed, 1, 0)], 5)}
    assert len(rows) == 6
    assert together.min() >= 0
    assert together.max() < 1
