"""`cygnet corpus filter`: from files of good texts and of crawled ones to a quality filter, and what it finds."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cygnet.corpus.extraction.page import Page, Unreadable
from cygnet.corpus.pipeline.look import sample
from cygnet.corpus.quality.learned import QualityFilter, check_share, train_filter
from cygnet.corpus.reading import jsonl, parquet
from cygnet.corpus.reading.config import FolderSource, JsonlSource, ParquetSource
from cygnet.corpus.reading.folder import read_file
from cygnet.corpus.records import Record, Skipped
from cygnet.errors import UserError
from cygnet.terminal import printable

MOST = 20_000  # texts of either kind that are learned from: half a gigabyte of memory
_SHOWN, _CHARACTERS = 3, 200  # texts at either end of the scores, and how much of each
_TEXT = (".txt", ".md", ".rst")
_SUFFIXES = (*jsonl.SUFFIXES, *parquet.SUFFIXES, *_TEXT)


@dataclass(frozen=True)
class Side:
    """Texts of one kind: how many there are, those drawn of them as {text, url}, and what gave none, by reason."""

    path: Path
    read: int
    drawn: list[dict[str, Any]]
    skipped: Counter[str]

    @property
    def texts(self) -> list[str]:
        """Those drawn."""
        return [row["text"] for row in self.drawn]

    def __str__(self) -> str:
        """For people."""
        drawn = f", {len(self.drawn):,} of them drawn at random" if len(self.drawn) < self.read else ""
        skipped = ", ".join(f"{count:,} {reason}" for reason, count in self.skipped.most_common())
        return f"{self.read:,} texts in {self.path}{drawn}" + (f" (skipped: {skipped})" if skipped else "")


def learn_filter(
    good: Path, crawl: Path, out: Path, keep: float, most: int, seed: int, say: Callable[[str], object]
) -> QualityFilter:
    """Learn a filter from two files or folders, save it in the folder `out`, and tell what came of it.

    Of either kind `most` texts are learned from, drawn at random. See `train_filter`.

    Raises:
        UserError: when there are too few texts to learn from or to measure by, a text is on both sides, something
            can't be read, or `out` holds other files.
    """
    check_share(keep)
    _refuse_foreign(out)
    sides = {name: read_side(path, most, seed) for name, path in (("good", good), ("crawl", crawl))}
    for name, side in sides.items():
        say(f"{name:6}{side}")
    different = len(set(sides["crawl"].texts))
    if different // 10 * keep < 1 - 1e-9:
        raise UserError(
            f"a tenth of the crawl texts is held out, and to find the top {keep:.3g} of those, {round(10 / keep)} "
            f"different ones or more are needed: {crawl} has {different}. Give more, or a larger --keep."
        )
    found = train_filter(sides["good"].texts, sides["crawl"].texts, seed, keep)
    found.save(out)
    for line in [*_measured(found), *_ends(found, sides["crawl"])]:
        say(line)
    return found


def read_side(path: Path, most: int, seed: int) -> Side:
    """Read a file, a folder or the training split of a corpus that was built, and draw `most` texts of it.

    Raises:
        UserError: when it isn't there, can't be read, or has no text.
    """
    skipped, read = Counter[str](), 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal read
        for item in _records(path):
            if isinstance(item, Skipped):
                skipped[item.reason] += 1
            else:
                read += 1
                yield {"text": item.text, "url": item.url}

    drawn = sample(rows(), most, seed)
    if not read:
        told = ", ".join(f"{count:,} {reason}" for reason, count in skipped.most_common())
        raise UserError(f"{path} has no texts{f': skipped were {told}' if told else ''}.")
    return Side(path, read, drawn, skipped)


def _records(path: Path) -> Iterator[Record | Skipped]:
    if (path / "stats.json").is_file() and (path / "train.parquet").is_file():
        columns = {"text": "text", "url": "origin"}
        built = path / "train.parquet"
        yield from parquet.read_table("", built, ParquetSource(kind="parquet", path=(str(built),), columns=columns))
        return
    for file in _files(path):
        name, where = file.name.lower(), (str(file),)
        if name.endswith(jsonl.SUFFIXES):
            yield from jsonl.read_objects("", file, JsonlSource(kind="jsonl", path=where))
        elif name.endswith(parquet.SUFFIXES):
            yield from parquet.read_table("", file, ParquetSource(kind="parquet", path=where))
        else:
            yield from read_file("", file, FolderSource(kind="folder", path=where), _no_page)


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise UserError(f"{path} does not exist.")
    below = (file for file in path.rglob("*") if not any(part.startswith(".") for part in file.relative_to(path).parts))
    among = [path] if path.is_file() else sorted(file for file in below if file.is_file())
    files = [file for file in among if file.name.lower().endswith(_SUFFIXES)]
    if not files:
        raise UserError(
            f"{path} {'is' if path.is_file() else 'has'} no .jsonl, .parquet or .txt. Of other files, or columns "
            "that are not called text, build a corpus with `cygnet corpus build`, and name its folder."
        )
    return files


def _no_page(data: bytes, kind: str, charset: str | None = None) -> Page | Unreadable:  # noqa: ARG001 - an Extract
    return Unreadable("other_file_type", kind)


def _refuse_foreign(out: Path) -> None:
    """Raise UserError when `out` has anything that would be lost with it, for it is replaced."""
    ours = {"filter.json", "weights.npz"}
    if out.is_file() or (out.is_dir() and {path.name for path in out.iterdir()} - ours):
        raise UserError(f"--out {out} holds files that are no quality filter. Choose another folder.")


def _measured(found: QualityFilter) -> list[str]:
    held = found.heldout
    texts = f"{held.good:,} good and {held.crawl:,} crawl texts that were held out"
    reach = f"{held.crawl_kept:.1%} of crawl and {held.good_kept:.1%} of good texts"
    return [
        f"told apart: AUC {held.auc:.4f}, accuracy {held.accuracy:.1%} ({texts})",
        f"threshold {found.threshold:.4f}: of those, {reach} reach it",
    ]


def _ends(found: QualityFilter, crawl: Side) -> Iterator[str]:
    """The texts of the crawl with the highest and with the lowest scores."""
    scores = found.score(crawl.texts)
    order = np.argsort(-scores, kind="stable").tolist()
    for name, places in (("best", order[:_SHOWN]), ("worst", order[-_SHOWN:])):
        yield f"{name} of crawl:"
        for place in places:
            row = crawl.drawn[place]
            text = " ".join(printable(row["text"][:_CHARACTERS]).split())
            yield f"  {scores[place]:.4f}  {printable(row['url'])}\n    | {text}"
