"""What large models were trained on, in which shares: figures to set one's own mixture beside. Nothing is fetched."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """A source's share of the tokens, how often it was passed over, and its size as the paper gives it."""

    source: str
    proportion: float
    epochs: float
    size: str


@dataclass(frozen=True)
class Mixture:
    """A published mixture; `paper` is where its figures are from, `note` what to know of them."""

    name: str
    tokens: float
    paper: str
    shares: tuple[Share, ...]
    note: str = ""


MIXTURES = (
    Mixture(
        "llama-1",
        1.4e12,
        "Touvron et al. 2023, arXiv:2302.13971, table 1",
        (
            Share("CommonCrawl", 0.67, 1.10, "3.3 TB"),
            Share("C4", 0.15, 1.06, "783 GB"),
            Share("GitHub", 0.045, 0.64, "328 GB"),
            Share("Wikipedia", 0.045, 2.45, "83 GB"),
            Share("Books", 0.045, 2.23, "85 GB"),
            Share("ArXiv", 0.025, 1.06, "92 GB"),
            Share("StackExchange", 0.02, 1.03, "78 GB"),
        ),
        "Books has Books3, which may not be passed on.",
    ),
    Mixture(
        "gpt-3",
        300e9,
        "Brown et al. 2020, arXiv:2005.14165, table 2.2",
        (
            Share("Common Crawl", 0.60, 0.44, "410 B tokens"),
            Share("WebText2", 0.22, 2.9, "19 B tokens"),
            Share("Books1", 0.08, 1.9, "12 B tokens"),
            Share("Books2", 0.08, 0.43, "55 B tokens"),
            Share("Wikipedia", 0.03, 3.4, "3 B tokens"),
        ),
        "The shares are rounded in the paper and sum to 101 %.",
    ),
)


def describe_mixture(mixture: Mixture) -> list[str]:
    """A mixture as a table for people."""
    lines = [f"{mixture.name}: {mixture.tokens / 1e9:,.0f} B tokens seen ({mixture.paper})"]
    lines.append(f"  {'source':16}{'proportion':>12}{'epochs':>9}{'size':>16}")
    lines += [
        f"  {share.source:16}{share.proportion:>12.1%}{share.epochs:>9.2f}{share.size:>16}" for share in mixture.shares
    ]
    return [*lines, f"  {mixture.note}"] if mixture.note else lines
