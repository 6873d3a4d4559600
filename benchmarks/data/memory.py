"""The most memory that `cygnet corpus build` holds, or tokenizing, for a corpus of 1, 4 and 16 times a size.

python benchmarks/data/memory.py [build|tokens] [MEGABYTES]

Texts are made of words drawn at random, 20 KB a text; MEGABYTES is the smallest corpus's. `build`: 1,000 texts a file;
each size is built by one process with the steps of pipeline.py. `tokens`: the texts are one train.parquet as `build`
writes it; one process trains a tokenizer of 1,024 tokens on them and writes shards of a token for every four bytes of
text. Memory is that of all processes, looked at every 0.2 s.
"""

import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pipeline import Used, by_cygnet, used

_TEXT, _FILE = 20_000, 1_000
_WORDS = "the of and to that have with be swan lake river reed nest feather winter wing flight egg moult shore".split()


def texts(megabytes: int) -> Iterator[str]:
    """Texts of so many megabytes, each another."""
    drawn = random.Random(1)
    for _ in range(max(1, megabytes * 1_000_000 // (_TEXT * _FILE)) * _FILE):
        # syllables make a large vocabulary, so that texts are unlike each other
        made = (f"{drawn.choice(_WORDS)} {drawn.choice(_WORDS)}{drawn.choice(_WORDS)}" for _ in range(1500))
        lines = [" ".join(next(made) for _ in range(15)).capitalize() + "." for _ in range(100)]
        yield "\n".join(lines)[:_TEXT]


def build(folder: Path, megabytes: int) -> tuple[Used, str]:
    """Build a corpus of texts in JSON Lines; what it took, and what came of it."""
    source = folder / "texts"
    source.mkdir()
    rows = enumerate(texts(megabytes))
    for number in range(max(1, megabytes * 1_000_000 // (_TEXT * _FILE))):
        with (source / f"{number:04}.jsonl").open("w") as file:
            for row, text in (next(rows) for _ in range(_FILE)):
                file.write(json.dumps({"text": text, "url": str(row)}) + "\n")
    settings = ['sources={pages={kind="jsonl",path="*.jsonl",columns={text="text",url="url"}}}']
    took, stats = by_cygnet(source, folder / "corpus", settings)
    return took, f"{stats['read']:6} texts, {stats['bytes'] / 1e6:.0f} MB kept"


def tokens(folder: Path, megabytes: int) -> tuple[Used, str]:
    """Tokenize texts; what it took, and what came of it."""
    from cygnet.corpus.parquet import SCHEMA
    from cygnet.corpus.pipeline.shards import write_rows

    (folder / "corpus").mkdir()
    few = {split: islice(texts(1), 20) for split in ("validation", "test")}
    for split, held in {"train": texts(megabytes), **few}.items():
        rows = ({"id": str(row), "source": "pages", "text": text} for row, text in enumerate(held))
        complete = (row | {"origin": row["id"], "keys": []} for row in rows)
        count = write_rows(folder / "corpus" / f"{split}.parquet", SCHEMA, complete)
        if split == "train":
            read = count
    command = [sys.executable, __file__, "--tokenize", str(folder), str(megabytes * 250_000)]
    return used(command, dict(os.environ), folder / "log"), f"{read:6} texts"


def tokenize(folder: Path, budget: int) -> None:
    """What `tokens` measures: both steps, as `cygnet run` takes them."""
    from cygnet.corpus.tokenize import build_tokens
    from cygnet.corpus.tokenizer_texts import tokenizer_texts
    from cygnet.tokens.tokenizer import train_tokenizer

    train_tokenizer(tokenizer_texts(folder / "corpus", {"pages": 1.0}, 1), 1_024).save(folder / "tokenizer")
    build_tokens(folder / "corpus", folder / "tokenizer", {"pages": 1.0}, budget, folder / "tokens", 1)


def main(stage: str = "build", megabytes: int = 20) -> None:
    """Print the three peaks."""
    for times in (1, 4, 16):
        with tempfile.TemporaryDirectory() as folder:
            took, told = {"build": build, "tokens": tokens}[stage](Path(folder), megabytes * times)
            print(f"{times:2} times: {told}, {took.cpu:.0f} CPU-s, at most {took.memory / 2**20:.0f} MiB", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--tokenize"]:
        tokenize(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
