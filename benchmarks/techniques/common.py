"""What the benchmarks of techniques share: a model raised on generated documents, ways of asking it, and a table.

Nothing is downloaded: documents and questions come from seeded generators, which know the answers. A model is kept in
`runs/bench/techniques/` under a hash of all that it was taught, and used again. Decoding and training take one thread.
"""

import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import starmap
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from cygnet.corpus.document import Document
from cygnet.corpus.holdout import check_heldout
from cygnet.corpus.parquet import write_documents
from cygnet.corpus.tokenize import build_tokens
from cygnet.files import write_aside, write_json
from cygnet.lab.intervals import wilson
from cygnet.lm.base import Usage
from cygnet.lm.local import LocalModel, load_folder
from cygnet.recipe.machine import machine_facts
from cygnet.stages.config import PretrainConfig
from cygnet.stages.pretrain import pretrain
from cygnet.techniques.base import Technique
from cygnet.tokens.tokenizer import SPECIAL_TOKENS, train_tokenizer
from cygnet.training.loop import prepare_machine
from cygnet.training.work import Work

HOME = Path("runs/bench/techniques")
BYTES = 256 + len(SPECIAL_TOKENS)  # a vocabulary without merges: a character is a token
RESAMPLINGS = 4_000


@dataclass(frozen=True)
class Lesson:
    """What a model is taught. draw: a question at random; write: a document that it may make."""

    name: str
    draw: Callable[[Random], str]
    write: Callable[[str, Random], str]


@dataclass(frozen=True)
class Item:
    """A question and the value of its right answer."""

    question: str
    answer: Any


@dataclass(frozen=True)
class Row:
    """One way of asking. right: [runs, items], 0 or 1; a run is a seed. over: the rows that it is held against."""

    name: str
    right: npt.NDArray[np.float64]
    usage: Usage
    over: "tuple[Row, ...]" = ()

    def above(self, *others: "Row") -> "Row":
        """The same, held against others."""
        return replace(self, over=others)

    @property
    def accuracy(self) -> float:
        """Mean over seeds and items."""
        return float(self.right.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy, as if every seed had told the same: several tell a little more."""
        items = self.right.shape[1]
        return wilson(round(self.accuracy * items), items)

    @property
    def gains(self) -> dict[str, tuple[float, float, float]]:
        """What it is above each of `over`, with the 95 % interval."""
        return {other.name: paired(self.right, other.right) for other in self.over}

    @property
    def tokens(self) -> tuple[float, float]:
        """Tokens read and written for an answer."""
        return self.usage.prompt_tokens / self.right.size, self.usage.completion_tokens / self.right.size


def raise_model(
    home: Path, lesson: Lesson, held_out: Collection[str], tokens: int, seed: int, **shape: Any
) -> LocalModel:
    """A model that read `tokens` of the lesson's documents once, none of them about a held-out question.

    shape: fields of `PretrainConfig`. The same seed draws the documents and starts the model.
    """
    prepare_machine(threads=1)
    config = PretrainConfig(evaluations=1, heldout_rows=16, **shape)
    train, heldout = _documents(lesson, set(held_out), tokens, seed)
    taught = repr((config, seed, tokens, [document.text for document in train]))
    folder = home / f"{lesson.name}-{blake2b(taught.encode(), digest_size=6).hexdigest()}"
    if not (folder / "model").exists():
        print(f"raising {lesson.name}: {tokens:,} tokens, seed {seed}, {folder}", flush=True)
        check_heldout(train, heldout)
        with write_aside(folder / "corpus") as corpus:
            corpus.mkdir()
            splits = {"train": train, "validation": heldout[::2], "test": heldout[1::2]}
            for split, documents in splits.items():
                write_documents(corpus / f"{split}.parquet", documents)
        train_tokenizer([train[0].text], BYTES).save(folder / "tokenizer")
        build_tokens(folder / "corpus", folder / "tokenizer", {"own": 1.0}, tokens, folder / "tokens", seed)
        work = Work(folder / "checkpoints", folder / "metrics.jsonl", seed, threads=1)
        metrics = pretrain(folder / "tokens", folder / "tokenizer", folder / "model", config, work)
        print(f"{metrics['parameters']:,} parameters, {metrics['tokens_per_second']:,} tokens a second", flush=True)
    return load_folder(folder / "model", lesson.name)


def _documents(lesson: Lesson, held_out: set[str], tokens: int, seed: int) -> tuple[list[Document], list[Document]]:
    rng, train, length = Random(seed), [], 0
    while length < tokens:
        question = lesson.draw(rng)
        if question not in held_out:
            train.append(_document(lesson, question, rng))
            length += len(train[-1].text) + 2  # what begins and ends it
    known = {document.text for document in train}
    heldout = [_document(lesson, question, rng) for question in sorted(held_out)]
    return train, [document for document in heldout if document.text not in known]


def _document(lesson: Lesson, question: str, rng: Random) -> Document:
    return Document(f"own:{question}", "own", lesson.write(question, rng), lesson.name, (question,))


def measure(name: str, technique: Technique, items: Sequence[Item], seeds: int = 1) -> Row:
    """Ask every question once a seed."""
    runs, usage = [], Usage()
    for seed in range(seeds):
        answers = technique.run([item.question for item in items], seed)
        usage += sum((answer.usage for answer in answers), Usage())
        runs.append([float(answer.value == item.answer) for answer, item in zip(answers, items, strict=True)])
    row = Row(name, np.array(runs), usage)
    print(f"{name}: {row.accuracy:.1%}", flush=True)
    return row


def paired(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean difference and its 95 % bootstrap interval; items are drawn, each with all its seeds.

    Two made-up items, one won and one lost, keep the interval from being empty (as in `cygnet.lab.intervals`).
    """
    differences = np.array([*(first.mean(axis=0) - second.mean(axis=0)), 1.0, -1.0])
    drawn = np.random.default_rng(0).choice(differences, (RESAMPLINGS, len(differences))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(first.mean() - second.mean()), float(low), float(high)


def report(home: Path, name: str, title: str, rows: Sequence[Row]) -> None:
    """What was measured of several ways, as a table and as data."""
    cells = [["Way", "Right", "95 %", "By seed", "Tokens read", "written", "Gain in points"]]
    for row in rows:
        low, high = row.interval
        seeds = " ".join(f"{100 * share:.0f}" for share in row.right.mean(axis=1))
        read, written = row.tokens
        gains = "; ".join(starmap(in_words, row.gains.items()))
        interval = f"{100 * low:.0f} to {100 * high:.0f}"
        cells.append([row.name, f"{row.accuracy:.1%}", interval, seeds, f"{read:.0f}", f"{written:.0f}", gains])
    publish(home, name, title, cells, [_data(row) for row in rows])


def publish(home: Path, name: str, title: str, cells: Sequence[Sequence[str]], data: list[dict[str, Any]]) -> None:
    """Print a table in Markdown, heads first, under what it is and how it was made; write it to `home`/name.json."""
    command, date = " ".join(["python", *sys.argv]), datetime.now(UTC).strftime("%Y-%m-%d")
    heads, *rows = cells
    print(f"\n{title} `{command}`, {date}, one thread of {machine_facts()['cpu']}.\n")
    for row in (heads, ["---"] * len(heads), *rows):
        print(f"| {' | '.join(row)} |")
    facts = {"title": title, "command": command, "date": date, "machine": machine_facts()}
    write_json(home / f"{name}.json", {**facts, "rows": data})


def in_words(over: str, gain: tuple[float, float, float]) -> str:
    """A gain over another way in points, with its interval; and whether it is none."""
    mean, low, high = (100 * value for value in gain)
    verdict = ": **no gain**" if low <= 0 <= high else ": **loss**" if high < 0 else ""
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}] over {over}{verdict}"


def _data(row: Row) -> dict[str, Any]:
    read, written = row.tokens
    return {
        "way": row.name,
        "right": row.accuracy,
        "interval": row.interval,
        "by_seed": row.right.mean(axis=1).tolist(),
        "items": row.right.shape[1],
        "tokens_read": read,
        "tokens_written": written,
        "gains": row.gains,
    }
