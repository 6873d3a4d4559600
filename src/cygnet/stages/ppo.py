"""Proximal policy optimization for language models: the formulas, on packed tensors, without models or loops.

`mask` is True on the tokens the policy sampled. Sequences are the packed rows' own; every function works on
[N, A] tensors of N answers padded on the right to A tokens.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from cygnet.training.world import World

_LARGEST_LOG_RATIO = 20.0


class PolicyLoss(NamedTuple):
    """Sum of the clipped policy loss over sampled tokens, and sums to watch."""

    total: Tensor
    clipped: Tensor
    approximate_kl: Tensor


def token_rewards(logprobs: Tensor, reference: Tensor, scores: Tensor, mask: Tensor, kl_coefficient: float) -> Tensor:
    """[N, A] rewards: -β (log π - log π_ref) on every sampled token, plus the [N] score on the last one."""
    rewards = -kl_coefficient * (logprobs - reference) * mask
    last = last_sampled(mask)
    rewards[torch.arange(len(scores)), last] += scores
    return rewards


def last_sampled(mask: Tensor) -> Tensor:
    """[N] index of each answer's last sampled token."""
    return mask.shape[1] - 1 - mask.flip(1).int().argmax(dim=1)


def generalized_advantages(
    rewards: Tensor, values: Tensor, mask: Tensor, discount: float, trace_decay: float
) -> tuple[Tensor, Tensor]:
    """Advantages and return targets, [N, A] each (Schulman et al. 2016), over sampled tokens only.

    δ_t = r_t + γ V_{t+1} - V_t and A_t = δ_t + γ λ A_{t+1}, where t + 1 is the next *sampled* token (a tool's
    tokens are stepped over) and V is 0 after the last. Targets are A + V with A as it is, before whitening.
    """
    advantages = torch.zeros_like(rewards)
    next_value, next_advantage = torch.zeros(len(rewards)), torch.zeros(len(rewards))
    for t in range(rewards.shape[1] - 1, -1, -1):
        here = mask[:, t]
        delta = rewards[:, t] + discount * next_value - values[:, t]
        advantage = delta + discount * trace_decay * next_advantage
        advantages[:, t] = torch.where(here, advantage, 0.0)
        next_advantage = torch.where(here, advantage, next_advantage)
        next_value = torch.where(here, values[:, t], next_value)
    return advantages, advantages + values * mask


def whiten(
    parts: Sequence[Tensor],
    masks: Sequence[Tensor],
    world: World = World(),  # noqa: B008 - it is frozen, and alone
) -> list[Tensor]:
    """Shift and scale to mean 0 and deviation 1 over the masked places of all processes' parts together.

    The other places become 0.
    """
    chosen = torch.cat([part[mask] for part, mask in zip(parts, masks, strict=True)]).double()
    total, count = world.sums([float(chosen.sum()), float(len(chosen))])
    mean = total / count
    (squares,) = world.sums([float(((chosen - mean) ** 2).sum())])
    deviation = (squares / count) ** 0.5 + 1e-8
    return [(part - mean) / deviation * mask for part, mask in zip(parts, masks, strict=True)]


def policy_loss(logprobs: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, clip: float) -> PolicyLoss:
    """-Σ min(ρ A, clip(ρ, 1 ± ε) A) over sampled tokens, ρ = π / π_old (Schulman et al. 2017, eq. 7)."""
    log_ratio = ((logprobs - old) * mask).clamp(-_LARGEST_LOG_RATIO, _LARGEST_LOG_RATIO)
    ratio = log_ratio.exp()
    bounded = ratio.clamp(1 - clip, 1 + clip)
    gains = torch.minimum(ratio * advantages, bounded * advantages) * mask
    clipped = ((ratio - 1).abs() > clip) & mask
    return PolicyLoss(-gains.sum(), clipped.sum().detach(), (ratio - 1 - log_ratio).sum().detach())


def value_loss(values: Tensor, old: Tensor, targets: Tensor, mask: Tensor, clip: float) -> Tensor:
    """½ Σ max((V - R)², (V_clip - R)²) over sampled tokens, V_clip within ± `clip` of the old estimate."""
    bounded = old + (values - old).clamp(-clip, clip)
    worse = torch.maximum((values - targets) ** 2, (bounded - targets) ** 2)
    return 0.5 * (worse * mask).sum()


def adapt(kl_coefficient: float, kl: float, target: float, answers: int, horizon: float) -> float:
    """Next KL coefficient (Ziegler et al. 2019): steered so that `kl`, in nats per answer, approaches `target`."""
    error = max(-0.2, min(0.2, kl / target - 1))
    return kl_coefficient * (1 + error * answers / horizon)
