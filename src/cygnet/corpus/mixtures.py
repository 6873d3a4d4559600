"""What large models were trained on, in which shares, and shares as settings state them. Nothing is fetched."""

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

MixtureName = Literal["llama-1", "gpt-3"]


class Share(NamedTuple):
    """A source's share of the tokens, how often it was passed over, and its size as the paper gives it."""

    source: str
    proportion: float
    epochs: float
    size: str


@dataclass(frozen=True)
class Mixture:
    """A published mixture; `paper` is where its figures are from, `note` what to know of them."""

    name: MixtureName
    tokens: float
    paper: str
    shares: tuple[Share, ...]
    note: str = ""

    @property
    def total(self) -> float:
        """What the paper's shares sum to, which is 1 but for what was rounded."""
        return math.fsum(share.proportion for share in self.shares)

    @property
    def proportions(self) -> dict[str, float]:
        """The shares, divided by their total so that they sum to 1."""
        return {share.source: share.proportion / self.total for share in self.shares}


def _shares(table: str) -> tuple[Share, ...]:
    """A source a line: its name, its share in percent, its epochs, and its size as the paper gives it."""
    rows = (line.split(maxsplit=3) for line in table.strip().splitlines())
    return tuple(Share(name, float(percent) / 100, float(epochs), size) for name, percent, epochs, size in rows)


_LLAMA_1 = """
common-crawl    67.0  1.10  3.3 TB
c4              15.0  1.06  783 GB
github           4.5  0.64  328 GB
wikipedia        4.5  2.45  83 GB
books            4.5  2.23  85 GB
arxiv            2.5  1.06  92 GB
stack-exchange   2.0  1.03  78 GB
"""

_GPT_3 = """
common-crawl  60  0.44  410 B tokens
webtext2      22  2.9   19 B tokens
books1         8  1.9   12 B tokens
books2         8  0.43  55 B tokens
wikipedia      3  3.4   3 B tokens
"""

MIXTURES = (
    Mixture(
        "llama-1",
        1.4e12,
        "Touvron et al. 2023, arXiv:2302.13971, table 1",
        _shares(_LLAMA_1),
        "books has Books3, which may not be passed on.",
    ),
    Mixture("gpt-3", 300e9, "Brown et al. 2020, arXiv:2005.14165, table 2.2", _shares(_GPT_3)),
)


def shares_of(stated: Any, *others: str) -> dict[str, float]:
    """Shares as settings state them: a table, or the name of a published mixture.

    Raises:
        ValueError: saying what they should be, or which `others` may be said; pydantic tells it with the key.
    """
    if isinstance(stated, str) and stated in get_args(MixtureName):
        return next(mixture.proportions for mixture in MIXTURES if mixture.name == stated)
    if not isinstance(stated, dict):
        raise ValueError(f"should be a table of shares, or one of {', '.join((*others, *get_args(MixtureName)))}")
    for name, share in stated.items():
        if isinstance(share, bool) or not isinstance(share, int | float) or not share > 0:
            raise ValueError(f"should be shares above 0 that add up to 1: {name} is {share!r}")
    if not math.isclose(total := math.fsum(stated.values()), 1, abs_tol=1e-6):
        raise ValueError(f"should be shares above 0 that add up to 1: these sum to {total:.6g}, and must sum to 1")
    return {name: float(share) for name, share in stated.items()}


def describe_mixture(mixture: Mixture) -> list[str]:
    """A mixture as a table for people."""
    lines = [
        f"{mixture.name}: {mixture.tokens / 1e9:,.0f} B tokens seen ({mixture.paper})",
        f"  {'source':16}{'proportion':>12}{'epochs':>9}{'size':>16}",
    ]
    lines += [
        f"  {share.source:16}{share.proportion:>12.1%}{share.epochs:>9.2f}{share.size:>16}" for share in mixture.shares
    ]
    if not math.isclose(mixture.total, 1, abs_tol=1e-6):
        lines.append(
            f"  The paper's shares are rounded and sum to {mixture.total:.0%}: by its name, each is divided by that."
        )
    return [*lines, f"  {mixture.note}"] if mixture.note else lines
