"""Runs whose figures were published, and what the planner makes of the same: where it agrees, and where it can't.

"The talk" is Karpathy 2023, State of GPT (karpathy.ai/stateofgpt.pdf), which gives orders of magnitude.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cygnet.errors import UserError
from cygnet.model.config import ModelConfig
from cygnet.recipe.planner.hardware import Hardware, find_hardware
from cygnet.recipe.planner.laws import DEFAULT, find_law
from cygnet.recipe.planner.shape import flops_per_token, parameter_count

# How far from the published figure ours may lie, as a share of it. Counts are arithmetic, time is not: what share of
# the peak a cluster reached is known to no better than this before it ran.
COUNT, COMPUTE, TIME = 0.02, 0.05, 0.20
_DAYS, _HOURS = 86400, 3600

Figure = float | tuple[float, float]


@dataclass(frozen=True)
class Row:
    """One quantity. published: a figure, a range, or None where nobody published one; ours: None where we can't say."""

    quantity: str
    unit: str
    published: Figure | None
    ours: float | None
    tolerance: float
    source: str

    @property
    def difference(self) -> float | None:
        """Ours against the published figure, as a share of it; against a range, of its nearer end, 0 inside it."""
        if self.ours is None or self.published is None:
            return None
        low, high = self.published if isinstance(self.published, tuple) else (self.published, self.published)
        return self.ours / min(max(self.ours, low), high) - 1

    @property
    def within(self) -> bool | None:
        """Whether ours is within the tolerance; None where there is nothing to compare."""
        return None if self.difference is None else abs(self.difference) <= self.tolerance


@dataclass(frozen=True)
class Comparison:
    """A published run. remarks: what the rows need to be read rightly, and why some don't agree."""

    title: str
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class GptShape:
    """GPT-2's and GPT-3's own architecture: learned positions, feed-forward of 4 widths, biases, tied embeddings."""

    layers: int
    width: int
    context_length: int
    vocab_size: int = 50_257

    @property
    def parameters(self) -> int:
        """Exact: 12 width² + 13 width a layer, two tables, and the last norm."""
        tables = (self.vocab_size + self.context_length) * self.width
        return tables + self.layers * (12 * self.width**2 + 13 * self.width) + 2 * self.width

    @property
    def flops_per_token(self) -> float:
        """As for our own shapes. Every layer of GPT-3 is taken for dense; half of them were locally banded."""
        products = self.vocab_size * self.width + 12 * self.layers * self.width**2
        return 6 * products + 12 * self.layers * self.context_length * self.width


LLAMA_65B = ModelConfig(32_000, 2_048, 80, 8_192, 64, 64, 128, 22_016, qk_norm=False, tied=False)
GPT_3 = GptShape(96, 12_288, 2_048)
GPT_2 = GptShape(48, 1_600, 1_024)


def compare(name: str, mfu: float | None = None) -> Comparison:
    """The published run `name` beside ours. mfu: share of the peak, instead of what is typical of the hardware.

    Raises:
        UserError: naming the runs there are.
    """
    if name not in PUBLISHED:
        raise UserError(f"no published run is called {name!r}. There are: {', '.join(PUBLISHED)}.")
    if mfu is not None and not 0 < mfu <= 1:
        raise UserError(f"--mfu is a share of the peak, from 0 to 1, not {mfu:g}.")
    return PUBLISHED[name](mfu)


def _llama(mfu: float | None) -> Comparison:
    hardware, gpus, tokens = find_hardware("a100-80"), 2_048, 1.4e12
    rate = _rate(hardware, mfu)
    parameters, each = parameter_count(LLAMA_65B), flops_per_token(LLAMA_65B)
    seconds = tokens * each / rate
    price = 40.97 / 8  # AWS p4de.24xlarge on demand, 8 A100 of 80 GB, us-east-1, 2023
    paper, talk = "Touvron et al. 2023, arXiv 2302.13971", "the talk"
    rows = (
        Row("parameters", "", 65.2e9, parameters, COUNT, f"{paper}, table 2"),
        Row("tokens for so many parameters", "", (1.0e12, 1.4e12), _law_tokens(parameters), TIME, talk),
        Row("tokens a second on each GPU", "", 380, rate / each, TIME, f"{paper}, §2.4"),
        Row("GPU-hours", "", 1_022_362, seconds / _HOURS, TIME, f"{paper}, table 15"),
        Row("days on 2,048 A100", "", 21, seconds / gpus / _DAYS, TIME, talk),
        Row("A100 for 21 days", "", gpus, seconds / (21 * _DAYS), TIME, talk),
        Row("dollars", "$", 5e6, seconds / _HOURS * price, TIME, talk),
    )
    implied = tokens * each / (1_022_362 * _HOURS * hardware.peak)
    remarks = (
        _assumed(hardware, mfu, implied),
        f"dollars: ${price:.2f} a GPU-hour, AWS p4de.24xlarge on demand in 2023; the talk names no price",
    )
    return Comparison("LLaMA 65B, 2023", rows, remarks)


def _gpt_3(mfu: float | None) -> Comparison:
    hardware, tokens, price = find_hardware("v100"), 3e11, 1.5
    rate = _rate(hardware, mfu)
    flops = tokens * GPT_3.flops_per_token
    seconds = flops / rate
    paper, patterson = "Brown et al. 2020, arXiv 2005.14165", "Patterson et al. 2021, arXiv 2104.10350, table 4"
    rows = (
        Row("parameters", "", 175e9, GPT_3.parameters, COUNT, f"{paper}, table 2.1"),
        Row("tokens for so many parameters", "", tokens, _law_tokens(GPT_3.parameters), TIME, "the talk"),
        Row("FLOPs", "", 3.14e23, flops, COMPUTE, f"{paper}, table D.1"),
        Row("GPU-hours", "", 10_000 * 14.8 * 24, seconds / _HOURS, TIME, patterson),
        Row("days on 10,000 V100", "", 14.8, seconds / 10_000 / _DAYS, TIME, patterson),
        Row("V100 for a month", "", (1e3, 1e4), seconds / (30 * _DAYS), TIME, "the talk, as orders of magnitude"),
        Row("dollars", "$", (1e6, 1e7), seconds / _HOURS * price, TIME, "the talk, as orders of magnitude"),
        Row("dollars", "$", 4.6e6, seconds / _HOURS * price, TIME, "Lambda 2020, an estimate: 355 GPU-years"),
    )
    remarks = (
        _assumed(hardware, mfu, flops / (10_000 * 14.8 * _DAYS * hardware.peak)),
        f"tokens: GPT-3 is older than {DEFAULT}, which would train so large a model on twelve times as many",
        f"dollars: ${price:.2f} a GPU-hour, the price of Lambda's estimate",
    )
    return Comparison("GPT-3 175B, 2020", rows, remarks)


def _gpt_2(mfu: float | None) -> Comparison:
    hardware, gpus, tokens, price = find_hardware("h100"), 8, 32_000 * 2**20, 3.5
    rate = _rate(hardware, mfu)
    seconds = tokens * GPT_2.flops_per_token / rate
    paper, again = "Radford et al. 2019, table 2", "llm.c discussion 677, 2024, GPT-2 trained again"
    later = "nanochat's README: 32 TPU v3 for 168 hours"
    rows = (
        Row("parameters", "", 1.542e9, GPT_2.parameters, COUNT, paper),
        Row("tokens", "", None, None, TIME, "unpublished: WebText is 40 GB, passes over it are not told"),
        Row("tokens for so many parameters", "", None, _law_tokens(GPT_2.parameters), TIME, "what the law would give"),
        Row("hours in 2019", "", 168, None, TIME, f"{later}; without the tokens ours can't be told"),
        Row("dollars in 2019", "$", 43e3, None, TIME, f"{later} at $8; likewise"),
        Row("hours on 8 H100, 2024", "", 24, seconds / gpus / _HOURS, TIME, again),
        Row("dollars, 2024", "$", 672, seconds / _HOURS * price, TIME, again),
    )
    remarks = (
        _assumed(hardware, mfu, tokens * GPT_2.flops_per_token / (gpus * 24 * _HOURS * hardware.peak)),
        "2019: neither tokens nor time are in the paper or the talk",
        "2024: 32,000 updates of 2^20 tokens; llm.c is written for this one model, faster than typical: try --mfu 0.5",
    )
    return Comparison("GPT-2 1.5B, 2019", rows, remarks)


PUBLISHED: dict[str, Callable[[float | None], Comparison]] = {"llama-65b": _llama, "gpt-3": _gpt_3, "gpt-2": _gpt_2}
POINTS: Sequence[tuple[str, float, float]] = (
    ("GPT-3", GPT_3.parameters, 3e11),
    ("LLaMA-65B", parameter_count(LLAMA_65B), 1.4e12),
    ("GPT-2 again", GPT_2.parameters, 32_000 * 2**20),
)


def _rate(hardware: Hardware, mfu: float | None) -> float:
    return hardware.peak * (mfu or hardware.utilization)


def _assumed(hardware: Hardware, mfu: float | None, implied: float) -> str:
    share = f"{100 * (mfu or hardware.utilization):.0f} %"
    source = "as asked" if mfu else hardware.utilization_source
    return f"utilization: {share} of {hardware.name}'s peak ({source}); the published time means {100 * implied:.0f} %"


def _law_tokens(parameters: float) -> float:
    """The tokens at which the default law has `parameters` as its optimum, by bisection of the compute."""
    law, low, high = find_law(DEFAULT), 1.0, 1e30
    for _ in range(200):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if law.parameters(middle) < parameters else (low, middle)
    return low / (6 * parameters)
