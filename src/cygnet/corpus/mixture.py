"""Mixing sources in stated proportions, counted in tokens.

Drawing documents with fixed probabilities drifts away from the proportions where lengths differ; budgets in tokens do
not. Everything here is a pure function of the seed and of how many documents of each source were used.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cygnet.errors import UserError

MOST_EPOCHS = 4.0  # repeated more often, text teaches little more (Muennighoff et al. 2023, arXiv:2305.16264)


@dataclass(frozen=True)
class Plan:
    """Tokens to take from each source, how often that repeats the source, and which repeat more than is useful."""

    budgets: dict[str, int]
    epochs: dict[str, float]
    repeated: tuple[str, ...]


def plan(source_tokens: Mapping[str, int], proportions: Mapping[str, float], tokens: int) -> Plan:
    """Turn proportions into token budgets that sum to `tokens` exactly; epochs = proportion x tokens / source tokens.

    Raises:
        UserError: when the proportions don't sum to 1, one isn't positive, or some name sources that have no tokens.
    """
    if missing := [source for source in proportions if not source_tokens.get(source)]:
        named = ", ".join(map(repr, missing)) + (" is not a source" if len(missing) == 1 else " are not sources")
        present = ", ".join(name for name, count in source_tokens.items() if count)
        raise UserError(f"proportions: {named} of the corpus, which has {present}.")
    for source, proportion in proportions.items():
        if not proportion > 0:
            raise UserError(f"proportions.{source} is {proportion}: it must be above 0. Leave out unwanted sources.")
    total = math.fsum(proportions.values())
    if not math.isclose(total, 1.0, abs_tol=1e-6):
        raise UserError(f"proportions sum to {total:.6g}: they must sum to 1.")
    if tokens < 1:
        raise UserError(f"the training budget is {tokens} tokens: it must be at least 1.")
    budgets = _whole(proportions, tokens)
    epochs = {source: budget / source_tokens[source] for source, budget in budgets.items()}
    return Plan(budgets, epochs, tuple(source for source, count in epochs.items() if count > MOST_EPOCHS))


def _whole(proportions: Mapping[str, float], tokens: int) -> dict[str, int]:
    """Round shares to whole tokens by largest remainder, so that they sum to `tokens`."""
    shares = {source: proportion * tokens for source, proportion in proportions.items()}
    budgets = {source: math.floor(share) for source, share in shares.items()}
    by_remainder = sorted(shares, key=lambda source: budgets[source] - shares[source])
    for source in by_remainder[: tokens - sum(budgets.values())]:
        budgets[source] += 1
    return budgets


def interleave(
    lengths: Mapping[str, Sequence[int] | npt.NDArray[np.int64]],
    budgets: Mapping[str, int],
    seed: int,
    used: Mapping[str, int] | None = None,
) -> Iterator[tuple[str, int]]:
    """Yield (source, document index) until each source has given its budget of tokens, exceeded by its last document.

    `lengths` are tokens per document. The next document always comes from the source that is furthest behind its
    share, so every stretch of the stream has about the stated proportions. A source's documents come in a seeded
    order, in a new one each epoch. `used` counts the documents of each source already taken: the stream continues
    exactly where a stream stopped that had given as many.
    """
    taken = {source: (used or {}).get(source, 0) for source in budgets}
    spent = {source: _spent(np.asarray(lengths[source]), taken[source], source, seed) for source in budgets}
    orders = {source: _order(source, len(lengths[source]), taken[source], seed) for source in budgets}
    while unfinished := [source for source in budgets if spent[source] < budgets[source]]:
        source = min(unfinished, key=lambda name: spent[name] / budgets[name])
        count = len(lengths[source])
        if taken[source] % count == 0:
            orders[source] = _order(source, count, taken[source], seed)
        index = int(orders[source][taken[source] % count])
        taken[source] += 1
        spent[source] += int(lengths[source][index])
        yield source, index


def _order(source: str, count: int, taken: int, seed: int) -> npt.NDArray[np.int64]:
    """The order in which a source's documents are visited in the epoch of the document after `taken` others."""
    name = int.from_bytes(hashlib.sha256(source.encode()).digest()[:8])
    return np.random.default_rng([seed, name, taken // count]).permutation(count)


def _spent(lengths: npt.NDArray[np.int64], taken: int, source: str, seed: int) -> int:
    """Tokens in the first `taken` documents of a source's order."""
    epochs, rest = divmod(taken, len(lengths))
    return epochs * int(lengths.sum()) + int(lengths[_order(source, len(lengths), taken, seed)[:rest]].sum())


def table(
    proportions: Mapping[str, float],
    plan: Plan,
    documents: Mapping[str, int],
    text_bytes: Mapping[str, int],
) -> list[dict[str, str | float | int]]:
    """Rows as in LLaMA's Table 1 (arXiv:2302.13971): a source's proportion, tokens, epochs and size."""
    return [
        {
            "source": source,
            "proportion": proportions[source],
            "tokens": plan.budgets[source],
            "epochs": round(plan.epochs[source], 3),
            "documents": documents[source],
            "bytes": text_bytes[source],
        }
        for source in proportions
    ]


def describe_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """`table` for people, with a line for each source that is repeated more often than is useful."""
    head = f"  {'source':16}{'proportion':>12}{'tokens':>15}{'epochs':>9}{'MB':>11}"
    lines = [
        f"  {row['source']:16}{row['proportion']:>12.1%}{row['tokens']:>15,}{row['epochs']:>9.2f}"
        f"{row['bytes'] / 1e6:>11,.1f}"
        for row in rows
    ]
    warnings = [
        f"  {row['source']} is repeated {row['epochs']:.1f} times: beyond {MOST_EPOCHS:.0f}, text teaches little more."
        for row in rows
        if row["epochs"] > MOST_EPOCHS
    ]
    return [head, *lines, *warnings]
