"""Several ways of asking the same questions, measured: what the benchmarks on SmolLM2 share."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from pathlib import Path
from typing import Any

import numpy as np
from common import Item, Row, in_words, publish

from cygnet.lm.base import LanguageModel, Usage
from cygnet.lm.local import LocalModel
from cygnet.techniques import Answer, Technique

Verdict = Callable[[Answer, Item], bool]
_SHOWN = 3  # answers of each way that are kept word for word


def is_equal(answer: Answer, item: Item) -> bool:
    """Whether the value is the right one."""
    return bool(answer.value == item.answer)


@dataclass(frozen=True)
class Way:
    """One way of asking. also: what else is counted, by name; over: the names of ways it is held against."""

    name: str
    technique: Technique
    right: Verdict = is_equal
    also: Mapping[str, Verdict] = field(default_factory=dict)
    over: tuple[str, ...] = ()


# Makes the ways of asking, and so many questions of a seed; a folder is for what it wants to keep.
Task = Callable[[LanguageModel, int, int, Path], tuple[list[Way], list[Item]]]


@dataclass
class Outcome:
    """What came of one way, over all seeds; seconds are those of the processor."""

    way: Way
    right: list[list[bool]] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    shown: list[tuple[str, str]] = field(default_factory=list)

    def add(self, way: Way, items: Sequence[Item], seed: int) -> None:
        """Ask every question once."""
        began = time.process_time()
        answers = way.technique.run([item.question for item in items], seed)
        self.seconds += time.process_time() - began
        pairs = list(zip(answers, items, strict=True))
        self.right.append(list(starmap(way.right, pairs)))
        self.usage += sum((answer.usage for answer in answers), Usage())
        for name, verdict in way.also.items():
            self.counts[name] = self.counts.get(name, 0) + sum(starmap(verdict, pairs))
        self.shown += [(item.question, answer.text) for answer, item in pairs[:_SHOWN]]
        print(f"seed {seed}, {way.name}: {np.mean(self.right[-1]):.1%}, {self.counts}", flush=True)

    def row(self, others: Mapping[str, "Outcome"]) -> Row:
        """All items of all seeds, which are different ones, as one run."""
        over = tuple(others[name].row({}) for name in self.way.over if name in others)
        return Row(self.way.name, np.concatenate(self.right, dtype=float)[None], self.usage, over)


def measure(task: Task, lm: LanguageModel, items: int, seeds: Sequence[int], home: Path) -> dict[str, Outcome]:
    """Every way on the same questions, others for every seed."""
    outcomes: dict[str, Outcome] = {}
    for seed in seeds:
        ways, asked = task(lm, items, seed, home)
        for way in ways:
            forget(lm)
            outcomes.setdefault(way.name, Outcome(way)).add(way, asked, seed)
    return outcomes


def forget(lm: LanguageModel) -> None:
    """A new decoder for a model on this machine: no way profits, or suffers, from what another one has read."""
    if isinstance(lm, LocalModel):
        lm.__init__(lm.model, lm.tokenizer, lm.name)


def report(home: Path, name: str, title: str, outcomes: Mapping[str, Outcome]) -> None:
    """The ways as a table, and as data in `home`/`name`.json."""
    counted = list(dict.fromkeys(kind for outcome in outcomes.values() for kind in outcome.counts))
    heads = ["Way", "Right", "95 %", *counted, "Tokens read", "from cache", "written", "Seconds", "Gain in points"]
    cells, data = [heads], []
    for outcome in outcomes.values():
        row = outcome.row(outcomes)
        low, high = row.interval
        n, usage = row.right.size, outcome.usage
        per_answer = (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens)
        counts = [f"{outcome.counts[kind] / n:.1%}" if kind in outcome.counts else "–" for kind in counted]
        gains = "; ".join(starmap(in_words, row.gains.items()))
        tokens = [f"{number / n:.0f}" for number in per_answer]
        interval = f"{100 * low:.1f} to {100 * high:.1f}"
        cells.append([row.name, f"{row.accuracy:.1%}", interval, *counts, *tokens, f"{outcome.seconds / n:.2f}", gains])
        data.append(_data(outcome, row))
    publish(home, name, title, cells, data)


def _data(outcome: Outcome, row: Row) -> dict[str, Any]:
    return {
        "way": row.name,
        "right": row.accuracy,
        "interval": row.interval,
        "by_seed": [float(np.mean(run)) for run in outcome.right],
        "items": row.right.size,
        "counts": outcome.counts,
        "usage": vars(outcome.usage),
        "processor_seconds": outcome.seconds,
        "gains": row.gains,
        "answers": outcome.shown,
    }
