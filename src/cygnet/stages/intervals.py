"""Intervals whose unit is the prompt: what was asked twice is drawn together."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

_RESAMPLINGS = 1_000


def prompt_interval(sums: ArrayLike, counts: ArrayLike, prompts: Sequence[str], seed: int) -> tuple[float, float]:
    """95 % percentile interval of Σ sums / Σ counts, by bootstrap over prompts (rows that share one are one unit)."""
    _, unit = np.unique(np.array(prompts), return_inverse=True)
    totals, sizes = (np.bincount(unit, weights=np.asarray(values, dtype=float)) for values in (sums, counts))
    drawn = np.random.default_rng(seed).integers(0, len(totals), (_RESAMPLINGS, len(totals)))
    low, high = np.quantile(totals[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)
