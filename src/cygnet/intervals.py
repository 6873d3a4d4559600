"""How sure a measured accuracy is, and a measured difference."""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

_Z = NormalDist().inv_cdf(0.975)
_RESAMPLINGS = 4_000

Interval = tuple[float, float]


def wilson(right: int, items: int) -> Interval:
    """95 % interval of a share (Wilson 1927, "Probable inference, the law of succession"); items at least 1."""
    share, z2 = right / items, _Z**2 / items
    middle = (share + z2 / 2) / (1 + z2)
    reach = _Z * math.sqrt(share * (1 - share) / items + z2 / (4 * items)) / (1 + z2)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def paired(first: Sequence[bool], second: Sequence[bool], seed: int) -> Interval:
    """95 % bootstrap interval of the share right of `first` less that of `second`, on the same items.

    Items are drawn, so what both find easy or hard cancels out. Two made-up items, one that each side alone gets
    right, keep the interval from being empty where the two never differ (Bonett and Price 2012, "Adjusted Wald
    Confidence Interval for a Difference of Binomial Proportions Based on Paired Data").
    """
    pairs = list(zip(first, second, strict=True))
    won = 1 + sum(one and not other for one, other in pairs)
    lost = 1 + sum(other and not one for one, other in pairs)
    items = len(pairs) + 2
    shares = [won / items, lost / items, 1 - (won + lost) / items]
    drawn = np.random.default_rng(seed).multinomial(items, shares, _RESAMPLINGS)
    low, high = np.quantile((drawn[:, 0] - drawn[:, 1]) / items, [0.025, 0.975])
    return float(low), float(high)
