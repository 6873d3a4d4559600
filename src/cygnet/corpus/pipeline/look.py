"""Looking at a corpus that was built: what was kept, what was dropped, and why."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from random import Random

from pydantic import BaseModel, ValidationError

from cygnet.corpus.pipeline.shards import DOCUMENTS, Row, read_rows
from cygnet.errors import UserError
from cygnet.files import read_json
from cygnet.terminal import printable

_SHOWN = 400  # characters of a text


def documents(corpus: Path) -> Iterator[Row]:
    """Every text of a corpus, kept or not, in order.

    Raises:
        UserError: when the folder holds no corpus that was built here, or a file of it is damaged.
    """
    if not corpus.is_dir():
        raise UserError(f"{corpus} is no folder: name one that `cygnet corpus build` made.")
    shards = sorted((corpus / "documents").glob("*/*.parquet"))
    if not shards:
        raise UserError(f"{corpus} has no documents/: build it with `cygnet corpus build CORPUS.toml -o {corpus}`.")
    for shard in shards:
        yield from read_rows(shard, DOCUMENTS.names)


def chosen(
    rows: Iterable[Row], dropped: bool | None = None, rule: str | None = None, source: str | None = None
) -> Iterator[Row]:
    """The rows that were dropped (or kept), by rules whose names begin with `rule`, of a source; None: all."""
    for row in rows:
        fits = dropped is None or (row["dropped"] is not None) == dropped
        fits = fits and (rule is None or (row["dropped"] or "").startswith(rule))
        if fits and (source is None or row["source"] == source):
            yield row


def containing(rows: Iterable[Row], words: str) -> Iterator[Row]:
    """The rows whose text or address has these words, whatever their case."""
    wanted = words.casefold()
    return (row for row in rows if wanted in row["text"].casefold() or wanted in row["url"].casefold())


def sample(rows: Iterable[Row], count: int, seed: int) -> list[Row]:
    """`count` rows, each as likely as any other (Vitter 1985, algorithm R), in their order."""
    rng, held = Random(seed), list[tuple[int, Row]]()
    for number, row in enumerate(rows):
        if len(held) < count:
            held.append((number, row))
        elif (place := rng.randrange(number + 1)) < count:
            held[place] = number, row
    return [row for _, row in sorted(held, key=lambda pair: pair[0])]


def describe(row: Row, shown: int = _SHOWN) -> str:
    """A document for people: where it is from, what became of it and why, and how it begins."""
    fate = f"dropped by {row['dropped']}: {row['detail']}" if row["dropped"] else "kept"
    edits = ", ".join(f"{count} × {name}" for name, count in (row["edits"] or {}).items())
    text = printable(row["text"][:shown], keep="\n")
    more = f"\n  … {len(row['text']) - shown:,} characters more" if len(row["text"]) > shown else ""
    lines = [f"{row['id']}  {printable(row['url'])}", f"  {printable(fate)}{f' (taken out: {edits})' if edits else ''}"]
    return "\n".join([*lines, *(f"  | {line}" for line in text.split("\n"))]) + more


def first(rows: Iterable[Row], count: int, describe: Callable[[Row], str] = describe) -> Iterator[str]:
    """The first `count` rows, described."""
    return map(describe, islice(rows, max(0, count)))


class SourceStats(BaseModel):
    """What became of a source's texts: numbers, by reason and by rule; bytes kept, and their weight in the corpus."""

    read: int
    skipped: dict[str, int]
    dropped: dict[str, int]
    kept: int
    bytes: int
    weight: float


class Stats(BaseModel):
    """What of `stats.json` is shown."""

    by_source: dict[str, SourceStats]


def read_stats(corpus: Path) -> Stats:
    """The numbers of a corpus.

    Raises:
        UserError: when the folder holds no corpus that was built whole, or the file is damaged.
    """
    path = corpus / "stats.json"
    if not path.is_file():
        raise UserError(
            f"{corpus} is no corpus: it has no stats.json of `cygnet corpus build`, or the build did not end."
        )
    try:
        return Stats.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise UserError(f"{path} is no stats.json of `cygnet corpus build`: {place}: {first['msg']}.") from error


def stats_table(stats: Stats) -> list[str]:
    """A corpus in a table: for each source what was read, skipped, dropped by each rule, kept."""
    lines = [f"{'source':16}{'read':>10}{'skipped':>10}{'dropped':>10}{'kept':>10}{'MB':>9}{'weight':>8}"]
    for name, source in stats.by_source.items():
        skipped, dropped = sum(source.skipped.values()), sum(source.dropped.values())
        lines.append(
            f"{name:16}{source.read:>10,}{skipped:>10,}{dropped:>10,}{source.kept:>10,}"
            f"{source.bytes / 1e6:>9.2f}{source.weight:>8.1%}"
        )
        for kind, counts in (("skipped", source.skipped), ("dropped", source.dropped)):
            lines += [f"  {kind}: {reason:34}{count:>10,}" for reason, count in counts.items()]
    return lines
