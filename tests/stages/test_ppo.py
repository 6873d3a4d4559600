"""The formulas against their definitions, written out with loops."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cygnet.stages.ppo import (
    adapt,
    generalized_advantages,
    last_sampled,
    policy_loss,
    token_rewards,
    value_loss,
    whiten,
)

# three answers: plain and full length; short (padded on the right); one with a tool's three tokens inside
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 1]], dtype=torch.bool)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def advantages_by_definition(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> Tensor:
    """A_t = Σ_l (γλ)^l δ_{t+l} over the sampled tokens, each sum from scratch."""
    result = torch.zeros_like(rewards)
    for row in range(len(rewards)):
        places = mask[row].nonzero()[:, 0].tolist()
        r, v = rewards[row, places], [*values[row, places].tolist(), 0.0]
        deltas = [float(r[t]) + gamma * v[t + 1] - v[t] for t in range(len(places))]
        for t, place in enumerate(places):
            result[row, place] = sum((gamma * lam) ** (j - t) * deltas[j] for j in range(t, len(places)))
    return result


@given(st.integers(0, 1000), st.floats(0.5, 1), st.floats(0, 1))
def test_advantages_are_those_of_the_definition(seed: int, gamma: float, lam: float) -> None:
    rewards, values = random(3, 6, seed=seed), random(3, 6, seed=seed + 1)
    advantages, returns = generalized_advantages(rewards, values, MASK, gamma, lam)
    torch.testing.assert_close(
        advantages, advantages_by_definition(rewards, values, MASK, gamma, lam), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(returns, (advantages + values) * MASK)


def test_with_lambda_one_the_advantage_is_the_return_less_the_value() -> None:
    rewards, values = random(3, 6), random(3, 6, seed=1)
    advantages, returns = generalized_advantages(rewards, values, MASK, discount=1.0, trace_decay=1.0)
    to_come = (rewards * MASK).flip(1).cumsum(1).flip(1)
    torch.testing.assert_close(advantages, (to_come - values) * MASK)
    torch.testing.assert_close(returns, to_come * MASK)


def test_with_lambda_zero_the_advantage_is_the_temporal_difference() -> None:
    rewards, values = random(1, 6), random(1, 6, seed=1)
    advantages, _ = generalized_advantages(rewards, values, MASK[:1], discount=0.9, trace_decay=0.0)
    following = torch.cat([values[:, 1:], torch.zeros(1, 1)], dim=1)
    torch.testing.assert_close(advantages, rewards + 0.9 * following - values)


def test_a_tools_tokens_are_stepped_over() -> None:
    rewards, values = random(3, 6), random(3, 6, seed=1)
    found, _ = generalized_advantages(rewards, values, MASK, 0.9, 0.8)
    without, _ = generalized_advantages(
        rewards[2:, [0, 1, 5]], values[2:, [0, 1, 5]], torch.ones(1, 3, dtype=torch.bool), 0.9, 0.8
    )
    torch.testing.assert_close(found[2, [0, 1, 5]], without[0])
    noise = random(3, 6, seed=2) * ~MASK
    again, returns = generalized_advantages(rewards + noise, values - noise, MASK, 0.9, 0.8)
    assert torch.equal(again, found)
    assert not returns[~MASK].any()


def test_the_score_comes_with_the_last_token_the_policy_wrote() -> None:
    assert last_sampled(MASK).tolist() == [5, 1, 5]
    logprobs, reference = random(3, 6), random(3, 6, seed=1)
    scores = torch.tensor([1.0, 2.0, -3.0])
    rewards = token_rewards(logprobs, reference, scores, MASK, kl_coefficient=0.5)
    expected = -0.5 * (logprobs - reference) * MASK
    expected[0, 5] += 1.0
    expected[1, 1] += 2.0
    expected[2, 5] -= 3.0
    torch.testing.assert_close(rewards, expected)
    assert torch.equal(token_rewards(logprobs, logprobs, scores, MASK, 0.5).sum(dim=1), scores)


def test_whitening_uses_and_fills_masked_places_only() -> None:
    parts = [random(3, 6), 5 + 3 * random(2, 4, seed=1)]
    masks = [MASK, torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0]], dtype=torch.bool)]
    whitened = whiten(parts, masks)
    chosen = torch.cat([part[mask] for part, mask in zip(whitened, masks, strict=True)])
    assert chosen.mean().item() == pytest.approx(0, abs=1e-6)
    assert chosen.std(correction=0).item() == pytest.approx(1, rel=1e-5)
    for part, mask in zip(whitened, masks, strict=True):
        assert not part[~mask].any()
    spoiled = [torch.where(mask, part, 1e9) for part, mask in zip(parts, masks, strict=True)]
    for one, other in zip(whiten(spoiled, masks), whitened, strict=True):
        torch.testing.assert_close(one, other)
    order = torch.cat([part[mask] for part, mask in zip(parts, masks, strict=True)]).argsort()
    assert torch.equal(order, chosen.argsort())


def test_whitening_equal_advantages_gives_zero() -> None:
    (whitened,) = whiten([torch.full((3, 6), 2.0)], [MASK])
    assert not whitened.any()


def loss_by_definition(logprobs: Tensor, old: Tensor, advantages: Tensor, clip: float) -> float:
    total = 0.0
    for row, column in MASK.nonzero().tolist():
        ratio = math.exp(float(logprobs[row, column] - old[row, column]))
        bounded = min(max(ratio, 1 - clip), 1 + clip)
        advantage = float(advantages[row, column])
        total -= min(ratio * advantage, bounded * advantage)
    return total


@given(st.integers(0, 1000), st.floats(0.05, 0.5))
def test_the_policy_loss_is_that_of_the_definition(seed: int, clip: float) -> None:
    logprobs, old, advantages = (random(3, 6, seed=seed + i) for i in range(3))
    loss = policy_loss(logprobs, old, advantages, MASK, clip)
    assert loss.total.item() == pytest.approx(loss_by_definition(logprobs, old, advantages, clip), rel=1e-4, abs=1e-4)
    ratio = (logprobs - old).exp()[MASK]
    assert loss.clipped == ((ratio - 1).abs() > clip).sum()
    assert loss.approximate_kl.item() == pytest.approx((ratio - 1 - ratio.log()).sum().item(), rel=1e-3)


def test_at_the_old_policy_the_gradient_is_the_plain_policy_gradient() -> None:
    logprobs = random(3, 6).requires_grad_()
    advantages = random(3, 6, seed=1)
    loss = policy_loss(logprobs, logprobs.detach(), advantages, MASK, 0.2)
    (gradient,) = torch.autograd.grad(loss.total, logprobs)
    torch.testing.assert_close(gradient, -advantages * MASK)
    assert loss.clipped == 0
    assert loss.approximate_kl == 0


def test_beyond_the_bound_there_is_nothing_more_to_gain() -> None:
    mask = torch.ones(1, 4, dtype=torch.bool)
    logprobs = torch.tensor([[0.5, -0.5, 0.5, -0.5]], requires_grad=True)
    advantages = torch.tensor([[1.0, 1.0, -1.0, -1.0]])
    loss = policy_loss(logprobs, torch.zeros(1, 4), advantages, mask, 0.2)
    (gradient,) = torch.autograd.grad(loss.total, logprobs)
    assert (gradient != 0).tolist() == [[False, True, True, False]]
    assert loss.clipped == 4


def test_ratios_beyond_all_bounds_stay_finite() -> None:
    mask = torch.ones(1, 2, dtype=torch.bool)
    loss = policy_loss(torch.tensor([[500.0, -500.0]]), torch.zeros(1, 2), torch.tensor([[-1.0, 1.0]]), mask, 0.2)
    assert torch.isfinite(loss.total)


def test_the_value_loss_takes_the_worse_of_the_two_estimates() -> None:
    values, old, targets = (random(3, 6, seed=seed) for seed in (1, 2, 3))
    total = 0.0
    for row, column in MASK.nonzero().tolist():
        v, o, r = (float(x[row, column]) for x in (values, old, targets))
        total += 0.5 * max((v - r) ** 2, (min(max(v, o - 0.2), o + 0.2) - r) ** 2)
    assert value_loss(values, old, targets, MASK, clip=0.2).item() == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize(
    ("kl", "factor"),
    [
        (6.0, 1.0),  # on target
        (12.0, 1 + 0.2 * 50 / 1000),  # far above: at most 20 % of n / horizon
        (6.6, 1 + 0.1 * 50 / 1000),
        (0.0, 1 - 0.2 * 50 / 1000),
        (-3.0, 1 - 0.2 * 50 / 1000),
    ],
)
def test_the_kl_coefficient_steers_to_the_target(kl: float, factor: float) -> None:
    assert adapt(0.1, kl, target=6.0, answers=50, horizon=1000) == pytest.approx(0.1 * factor)
