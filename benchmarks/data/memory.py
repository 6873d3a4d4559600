"""The most memory that `cygnet corpus build` holds at a time, for a corpus, one 4 times and one 16 times as large.

python benchmarks/data/memory.py [MEGABYTES]

Texts are made of words drawn at random, 20 KB a text, 1,000 texts a file; MEGABYTES is the smallest corpus's. Each size
is built by one process with the steps of pipeline.py. Memory is as there: of all processes, looked at every 0.2 s.
"""

import json
import random
import sys
import tempfile
from pathlib import Path

from pipeline import by_cygnet

_TEXT, _FILE = 20_000, 1_000
_WORDS = "the of and to that have with be swan lake river reed nest feather winter wing flight egg moult shore".split()


def generate(out: Path, megabytes: int) -> None:
    """Write texts of so many megabytes, each another."""
    drawn = random.Random(1)
    for number in range(max(1, megabytes * 1_000_000 // (_TEXT * _FILE))):
        with (out / f"{number:04}.jsonl").open("w") as file:
            for row in range(_FILE):
                # syllables make a large vocabulary, so that texts are unlike each other
                made = (f"{drawn.choice(_WORDS)} {drawn.choice(_WORDS)}{drawn.choice(_WORDS)}" for _ in range(1500))
                lines = [" ".join(next(made) for _ in range(15)).capitalize() + "." for _ in range(100)]
                file.write(json.dumps({"text": "\n".join(lines)[:_TEXT], "url": f"{number}/{row}"}) + "\n")


def main(megabytes: int = 20) -> None:
    """Print the three peaks."""
    for times in (1, 4, 16):
        with tempfile.TemporaryDirectory() as folder:
            texts = Path(folder) / "texts"
            texts.mkdir()
            generate(texts, megabytes * times)
            settings = ['sources={pages={kind="jsonl",path="*.jsonl",columns={text="text",url="url"}}}']
            took, stats = by_cygnet(texts, Path(folder) / "corpus", settings)
            told = f"{stats['bytes'] / 1e6:.0f} MB kept, {took.cpu:.0f} CPU-s"
            print(
                f"{times:2} times: {stats['read']:6} texts, {told}, at most {took.memory / 2**20:.0f} MiB", flush=True
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
