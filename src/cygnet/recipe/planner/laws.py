"""How large a model to train with a given compute, and on how many tokens, as the literature has it.

The laws disagree, so a plan shows them side by side. Each gives the parameters; the tokens are what is left of the
compute. All were fitted on large models and web text: at a laptop's scale they are extrapolated by orders of magnitude.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cygnet.errors import UserError

_PETAFLOP_DAY = 8.64e19


@dataclass(frozen=True)
class Law:
    """`parameters` maps a training compute in FLOPs to a model's parameters, and never falls."""

    key: str
    about: str
    source: str
    parameters: Callable[[float], float]


def _kaplan(compute: float) -> float:
    return float(1.3e9 * (compute / _PETAFLOP_DAY) ** 0.73)


def _approach_1(compute: float) -> float:
    return float(1e9 * (compute / 1.21e20) ** 0.5)


def _parametric(a: float, alpha: float, b: float, beta: float, compute: float) -> float:
    """The least of E + a/N^alpha + b/D^beta where 6·N·D = compute (Hoffmann et al. 2022, eq. 4)."""
    scale = (alpha * a / (beta * b)) ** (1 / (alpha + beta))
    return float(scale * (compute / 6) ** (beta / (alpha + beta)))


def _at_ratio(ratio: float, compute: float) -> float:
    return float((compute / (6 * ratio)) ** 0.5)


def at_ratio(ratio: float, key: str = "ratio", about: str = "as asked", source: str = "your choice") -> Law:
    """The law of a fixed number of tokens a parameter."""
    return Law(key, about, source, partial(_at_ratio, ratio))


DEFAULT = "chinchilla"
LAWS = (
    Law("kaplan", "fewest tokens", "Kaplan et al. 2020, arXiv 2001.08361, appendix A", _kaplan),
    Law(DEFAULT, "least loss, by runs' envelopes", "Hoffmann et al. 2022, arXiv 2203.15556, table 3", _approach_1),
    Law(
        "chinchilla-3",
        "least loss, by a fitted formula",
        "Hoffmann et al. 2022, approach 3",
        partial(_parametric, 406.4, 0.34, 410.7, 0.28),
    ),
    Law(
        "refit",
        "the same formula, fitted anew",
        "Besiroglu et al. 2024, arXiv 2404.10102",
        partial(_parametric, 482.01, 0.3478, 2085.43, 0.3658),
    ),
    at_ratio(149, "llama-7b", "small, to be used much", "LLaMA-7B: 1.0T tokens, 6.7B parameters, arXiv 2302.13971"),
    at_ratio(1875, "llama-3-8b", "smaller, used very much", "Llama 3 8B: 15T tokens, arXiv 2407.21783"),
)


def find_law(key: str) -> Law:
    """A law by its key.

    Raises:
        UserError: naming the keys there are.
    """
    for law in LAWS:
        if law.key == key:
            return law
    raise UserError(f"no law is called {key!r}. There are: {', '.join(law.key for law in LAWS)}.")
