"""What to look at next: each rule reads the run and either stays silent or says what it saw and what may help."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from cygnet.page.formats import interval, number, percent, signed
from cygnet.recipe.report.data import Event, RunData, curve
from cygnet.recipe.report.words import player_name


@dataclass(frozen=True)
class Advice:
    """`kind` is "problem" (the result is weaker than it looks) or "chance" (something that would pay)."""

    kind: str
    title: str
    evidence: str
    action: str


def advise(data: RunData) -> list[Advice]:
    """All rules, problems first."""
    found = [advice for rule in _RULES for advice in rule(data)]
    return sorted(found, key=lambda advice: advice.kind != "problem")


def as_json(advice: list[Advice]) -> list[dict[str, Any]]:
    """For report.json."""
    return [asdict(item) for item in advice]


def _epochs(data: RunData) -> Iterator[Advice]:
    for source, epochs in (data.tokens or {}).get("epochs_by_source", {}).items():
        if epochs > 4:
            yield Advice(
                "problem",
                f"The source “{source}” is repeated more than four times",
                f"Training passes over it {epochs:.1f} times; beyond about four passes repeated text teaches "
                "less and less (Muennighoff et al. 2023).",
                "Add documents to this source, lower its proportion or train on fewer tokens.",
            )


def _compression(data: RunData) -> Iterator[Advice]:
    metrics = data.metrics("pretrain") or {}
    bits, xz = metrics.get("heldout_bits_per_byte"), metrics.get("xz_bits_per_byte")
    if bits is not None and xz is not None and bits >= xz:
        yield Advice(
            "problem",
            "The base model compresses no better than xz",
            f"{bits:.3f} bits per byte on held-out text against {xz:.3f}.",
            "Look at the loss curve and at the samples: the learning rate, the data or the budget is far off.",
        )


def _still_falling(data: RunData) -> Iterator[Advice]:
    steps, bits = curve(data.of("pretrain", "eval"), "heldout_bits_per_byte")
    if len(steps) < 3:
        return
    before = float(np.interp(0.8 * steps[-1], steps, bits))
    gain = 1 - bits[-1] / before
    if gain > 0.01:
        yield Advice(
            "chance",
            "Pretraining was still improving when it ended",
            f"Held-out bits per byte fell by {percent(gain, 1)} over the last fifth of the steps.",
            "A larger token budget, or a larger recipe, would pay.",
        )


def _overfit(data: RunData) -> Iterator[Advice]:
    steps, losses = curve(data.of("sft", "eval"), "heldout_loss")
    if losses and losses[-1] > 1.02 * min(losses):
        best = steps[losses.index(min(losses))]
        yield Advice(
            "problem",
            "SFT has begun to memorize its conversations",
            f"Held-out loss was lowest at step {best:.0f} ({min(losses):.3f}) and ended at {losses[-1]:.3f}.",
            "Train for fewer epochs or write more conversations.",
        )


def _weak_families(data: RunData) -> Iterator[Advice]:
    by_family: dict[str, float] = (data.metrics("sft") or {}).get("by_family") or {}
    weak = sorted((accuracy, family) for family, accuracy in by_family.items() if accuracy < 0.5)
    if weak:
        named = ", ".join(f"{family} ({percent(accuracy)})" for accuracy, family in weak)
        yield Advice(
            "problem",
            f"Task families answered right less than half the time: {len(weak)} of {len(by_family)}",
            f"After SFT: {named}.",
            "Give them more examples or smaller values, or leave them to a larger recipe.",
        )


def _weak_reward(data: RunData) -> Iterator[Advice]:
    metrics = data.metrics("reward") or {}
    accuracy = metrics.get("heldout_pair_accuracy")
    if accuracy is not None and accuracy < 0.7:
        yield Advice(
            "problem",
            "The reward model is a weak judge",
            f"It puts {percent(accuracy, 1)} of held-out pairs in the contractor's order; a coin gets 50 %.",
            "Collect more comparisons; RL can only be as good as the reward it climbs.",
        )


def _hacking(data: RunData) -> Iterator[Advice]:
    evals = [event for event in data.of("rl", "eval") if event.get("gold") is not None]
    if len(evals) < 2:
        return
    best, last = max(evals, key=lambda event: event["gold"]), evals[-1]
    if best["gold"] - last["gold"] > 0.01 and last["reward"] > best["reward"]:
        yield Advice(
            "problem",
            "RL climbs its reward while the gold score falls",
            f"Gold peaked at {best['gold']:.3f} at update {best['step']} and ended at {last['gold']:.3f}, "
            f"while the reward rose from {best['reward']:.2f} to {last['reward']:.2f}.",
            "The policy exploits the reward model: stop earlier, raise the KL coefficient or retrain the reward "
            "model on samples of this policy.",
        )


def _no_gain(data: RunData) -> Iterator[Advice]:
    metrics = data.metrics("rl") or {}
    bounds = metrics.get("gain_ci95")
    if bounds is not None and bounds[0] <= 0:
        gain = metrics["gold_after"] - metrics["gold_before"]
        yield Advice(
            "problem",
            "The gain of RL is not clear of zero",
            f"The gold score changed by {signed(gain, 3)} with a 95 % interval of {interval(bounds, 3)}.",
            "Train longer, evaluate on more prompts, or look at the reward model first.",
        )


def _drifts(data: RunData) -> Iterator[Advice]:
    steps = data.of("rl", "step")
    start, end = _ends(steps, "length")
    if start and end > 1.3 * start:
        yield Advice(
            "problem",
            "RL makes answers longer",
            f"From {start:.0f} to {end:.0f} tokens on average.",
            "Check in the samples whether the extra words help; the reward model may simply like length.",
        )
    start, end = _ends(steps, "entropy")
    if start and end < 0.3 * start:
        yield Advice(
            "problem",
            "The policy has lost most of its variety",
            f"Entropy per token fell from {start:.2f} to {end:.2f} nats.",
            "Best-of-n and voting gain little from such a policy; a larger KL coefficient keeps variety.",
        )


def _ends(events: list[Event], key: str) -> tuple[float, float]:
    """Means over the first and the last fifth of the events; zeros when there are fewer than five."""
    _, values = curve(events, key)
    fifth = len(values) // 5
    return (float(np.mean(values[:fifth])), float(np.mean(values[-fifth:]))) if fifth else (0.0, 0.0)


def _overlaps(data: RunData) -> Iterator[Advice]:
    ladder = data.ladder or {"ladder": []}
    for better, worse in pairwise(ladder["ladder"]):
        if better["ci95"][0] <= worse["ci95"][1]:
            pair = f"{player_name(better['player'])} and {player_name(worse['player'])}"
            yield Advice(
                "problem",
                f"{pair} cannot be told apart on the ladder",
                f"Their intervals overlap: {interval(better['ci95'], 0)} and {interval(worse['ci95'], 0)}.",
                f"Halving the intervals takes four times the prompts (now {number(ladder['prompts'])}).",
            )


def _ties(data: RunData) -> Iterator[Advice]:
    rate = (data.ladder or {}).get("tie_rate", 0.0)
    if rate > 0.5:
        yield Advice(
            "problem",
            "Most games are ties",
            f"{percent(rate)} of games were tied, which pulls ratings together.",
            "Read the distances with care and use harder prompts.",
        )


_RULES: tuple[Callable[[RunData], Iterator[Advice]], ...] = (
    _epochs,
    _compression,
    _still_falling,
    _overfit,
    _weak_families,
    _weak_reward,
    _no_gain,
    _hacking,
    _drifts,
    _overlaps,
    _ties,
)
