"""`cygnet corpus`: build a training corpus from any sources, and look at it."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from cygnet.cli.out import OUT

Corpus = Annotated[Path, Parameter(help="A folder that `cygnet corpus build` made.")]
Dropped = Annotated[bool | None, Parameter(negative="--kept", help="Only what was dropped, or only what was kept.")]
Source = Annotated[str | None, Parameter(help="Only documents of this source.")]
Count = Annotated[int, Parameter(help="How many.")]

app = App(name="corpus", help="Build a training corpus from any sources, and look at it.", sort_key=98)


@app.command(
    usage="Usage: cygnet corpus build CORPUS.toml [KEY=VALUE ...] --out FOLDER [--engine local|ray|slurm]",
    help_epilogue=(
        "Sources are of kind warc, folder, texts, jsonl, parquet, hub, site (crawled by the build itself), python or "
        "pydoc (of the Python that is installed).\n\n"
        "Example: cygnet corpus build corpus.toml quality.preset=gopher -o corpus/"
    ),
)
def build(
    recipe: Path,
    *settings: str,
    out: Annotated[Path, OUT],
    engine: str = "local",
    workers: int | None = None,
) -> None:
    """Build a corpus: read, measure, judge, deduplicate, decontaminate, replace personal data, split.

    The same command goes on where it stopped; after a change of settings only what depends on it is done again.

    Parameters
    ----------
    recipe:
        The corpus.toml.
    settings:
        KEY=VALUE, as in dedup.near=false.
    out:
        The folder of the corpus.
    engine:
        Where the work is done: local, ray, ray://host:port or slurm.
    workers:
        Processes at once, or jobs of an array. [default: one a processor]
    """
    from cygnet.corpus.pipeline.build import build as build_corpus
    from cygnet.corpus.pipeline.build import default_workers
    from cygnet.corpus.pipeline.engines import engine_at
    from cygnet.corpus.pipeline.load import load_corpus_recipe
    from cygnet.corpus.pipeline.look import read_stats, stats_table
    from cygnet.corpus.pipeline.progress import Printed

    chosen = engine_at(engine, workers or default_workers())
    build_corpus(load_corpus_recipe(recipe, settings), recipe.parent, out, chosen, Printed())
    print(*stats_table(read_stats(out)), sep="\n")
    print(f"Look at it: cygnet corpus inspect {out} --dropped")


@app.command(
    usage="Usage: cygnet corpus inspect CORPUS [--dropped | --kept] [--rule RULE] [--source NAME] [--count N]",
    help_epilogue="Example: cygnet corpus inspect corpus/ --rule gopher",
)
def inspect(
    corpus: Corpus, /, dropped: Dropped = None, rule: str | None = None, source: Source = None, count: Count = 10
) -> None:
    """Show documents with what became of them, and the numbers that decided it.

    Parameters
    ----------
    rule:
        Only what a rule dropped, by the begin of its name: gopher, c4_, near_duplicate …
    """
    from cygnet.corpus.pipeline.look import chosen, documents, first

    print(*first(chosen(documents(corpus), dropped, rule, source), count), sep="\n")


@app.command(
    usage="Usage: cygnet corpus sample CORPUS [--count N] [--seed N] [--source NAME]",
    help_epilogue="Example: cygnet corpus sample corpus/ --count 5",
)
def sample(corpus: Corpus, /, count: Count = 5, seed: int = 1, source: Source = None) -> None:
    """Show kept documents drawn at random.

    Parameters
    ----------
    seed:
        Another draws others.
    """
    from cygnet.corpus.pipeline.look import chosen, describe, documents
    from cygnet.corpus.pipeline.look import sample as draw

    print(*map(describe, draw(chosen(documents(corpus), False, source=source), count, seed)), sep="\n")


@app.command(
    usage="Usage: cygnet corpus search CORPUS WORDS [--dropped | --kept] [--count N]",
    help_epilogue="Example: cygnet corpus search corpus/ swan --kept",
)
def search(corpus: Corpus, words: str, /, dropped: Dropped = None, count: Count = 10) -> None:
    """Show the documents whose text or address has these words.

    Parameters
    ----------
    words:
        As they stand in the text, whatever their case.
    """
    from cygnet.corpus.pipeline.look import chosen, containing, documents, first

    print(*first(containing(chosen(documents(corpus), dropped), words), count), sep="\n")


@app.command(usage="Usage: cygnet corpus stats CORPUS", help_epilogue="Example: cygnet corpus stats corpus/")
def stats(corpus: Corpus, /) -> None:
    """Show for every source what was read, skipped, dropped by which rule, and kept."""
    from cygnet.corpus.pipeline.look import read_stats, stats_table

    print(*stats_table(read_stats(corpus)), sep="\n")


@app.command(
    name="filter",
    usage="Usage: cygnet corpus filter GOOD CRAWL --out FOLDER [--keep SHARE] [--most N] [--seed N]",
    help_epilogue="Example: cygnet corpus filter books/ crawled.jsonl -o filter/",
)
def filter_(
    good: Path,
    crawl: Path,
    /,
    *,
    out: Annotated[Path, OUT],
    keep: float = 0.1,
    most: int = 20_000,
    seed: int = 1,
) -> None:
    """Learn to tell good texts from what a crawl brings, for `quality.filter` of a corpus.toml.

    Texts are files or folders of .jsonl, .parquet (column `text`) and .txt, or a folder of `cygnet corpus build`.

    Parameters
    ----------
    good:
        Texts as they should be.
    crawl:
        Texts as they come.
    out:
        The folder of the filter.
    keep:
        The share of CRAWL that stays, which sets the threshold.
    most:
        How many texts of either kind are learned from, drawn at random.
    seed:
        Another draws others, and holds others out.
    """
    from cygnet.corpus.quality.learn import learn_filter

    learn_filter(good, crawl, out, keep, most, seed, lambda line: print(line, flush=True))
    print(f'Use it: quality.filter = "{out}" in corpus.toml')


@app.command(
    usage="Usage: cygnet corpus trace TOKENS INDEX [--split train] [--corpus FOLDER] [--tokenizer FOLDER]",
    help_epilogue="Example: cygnet corpus trace runs/pocket/tokens 1000",
)
def trace(
    tokens: Path, index: int, /, split: str = "train", corpus: Path | None = None, tokenizer: Path | None = None
) -> None:
    """Show which document a token of the shards is from, where in it, and what the rules measured of it.

    Parameters
    ----------
    tokens:
        The folder tokens/ of a run.
    index:
        Which token of the split, counted from 0.
    split:
        train, validation or test.
    corpus:
        What was tokenized. [default: corpus/ beside TOKENS]
    tokenizer:
        With what. [default: tokenizer/ beside TOKENS]
    """
    from cygnet.corpus.trace import describe_trace
    from cygnet.corpus.trace import trace as trace_token

    beside = tokens.resolve().parent
    found = trace_token(tokens, index, split, corpus or beside / "corpus", tokenizer or beside / "tokenizer")
    print(*describe_trace(found), sep="\n")


@app.command(usage="Usage: cygnet corpus mixtures", help_epilogue="Example: cygnet corpus mixtures")
def mixtures() -> None:
    """Show what LLaMA and GPT-3 were trained on, in which shares: mixtures that can be had by name."""
    from cygnet.corpus.mixtures import MIXTURES, describe_mixture

    for mixture in MIXTURES:
        print(*describe_mixture(mixture), sep="\n", end="\n\n")
    print(
        'Where sources have these names: weights = "NAME" in corpus.toml, or tokens.proportions = "NAME" in a recipe.'
    )


@app.command(show=False)
def work(tasks: Path, *, rank: int, world: int) -> None:
    """Do every WORLD-th of the tasks in a list, beginning with the RANK-th: what a job of a Slurm array runs."""
    from cygnet.corpus.pipeline.stages import carry_out
    from cygnet.corpus.pipeline.task import Task
    from cygnet.files import read_jsonl

    for row in read_jsonl(tasks)[rank::world]:
        carry_out(Task(**{**row, "inputs": tuple(row["inputs"])}))
