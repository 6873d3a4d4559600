"""Near-duplicates met on disk and through Daft, each in a process of its own, in turn, on planted signatures.

python benchmarks/data/shuffle.py [TEXTS] [--ray]

TEXTS (200,000) signatures lie in parquet shards of 20,000, as a build stores them; a fifth are copies of others in all
but 5 of 14 bands. Seconds are from the shards to the answer, with the start of Daft's process, and of Ray's with --ray.
CPU-seconds (of processes that were waited for: of Ray's, few) and memory are measured as pipeline.py does, for the
whole program; `nothing` is the program without a search. That the answers are equal is checked.
"""

import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pipeline import used

from cygnet.corpus.dedup.signatures import BANDS, HASHES, ROWS, kind

_SHARD, _GROUP = 20_000, 1_000
_SCHEMA = pa.schema([("signature", pa.binary(4 * HASHES))], metadata=kind())


def plant(folder: Path, texts: int) -> None:
    """Write shards of random signatures, a shard at a time; the copies are of texts of the same or the first shard."""
    rng = np.random.default_rng(1)
    first = np.empty((0, BANDS, ROWS), np.uint32)
    for number, start in enumerate(range(0, texts, _SHARD)):
        count = min(_SHARD, texts - start)
        found = rng.integers(0, 2**32 - 1, (count, BANDS, ROWS), np.uint32)
        first = first if len(first) else found.copy()
        copies = rng.choice(count, count // 5, replace=False)
        originals = first if number % 2 else found
        kept = originals[rng.integers(len(originals), size=len(copies)), 5:].copy()
        found[copies, 5:] = kept
        values = pa.array([row.astype("<u4").tobytes() for row in found], pa.binary(4 * HASHES))
        path = folder / f"{number:05}.parquet"
        pq.write_table(pa.table([values], schema=_SCHEMA), path, row_group_size=_GROUP, compression="zstd")


def find(how: str, folder: Path, texts: int) -> None:
    """In a process of its own: print seconds, how many texts are near-duplicates, and a hash of the answer."""
    from cygnet.corpus.dedup.daft import near_firsts_by_daft
    from cygnet.corpus.dedup.near import near_firsts
    from cygnet.corpus.dedup.stored import Stored

    began = time.perf_counter()
    stored = Stored(sorted(folder.glob("*.parquet")), np.ones(texts, bool))
    if how == "disk":
        found = near_firsts(stored, folder)
    elif how == "daft":
        found = near_firsts_by_daft(stored)
    elif how == "daft on ray":
        from cygnet.corpus.pipeline.engines.ray import Ray

        engine = Ray(None, os.cpu_count() or 1)
        found = near_firsts_by_daft(stored, engine.cluster())
        engine.close()
    else:
        found = np.arange(texts)
    seconds = time.perf_counter() - began
    print(f"\n{seconds} {int((found != np.arange(texts)).sum())} {hashlib.sha256(found.tobytes()).hexdigest()}")


def main(texts: int, ray: bool) -> None:
    """Print a table."""
    answers = set()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plant(folder, texts)
        print(f"{texts:,} texts\n")
        print("| | seconds | CPU-seconds | memory | near-duplicates |\n| --- | --- | --- | --- | --- |")
        for how in ("nothing", "disk", "daft", *(["daft on ray"] if ray else [])):
            log = folder / "said"
            took = used([sys.executable, __file__, "--find", how, name, str(texts)], dict(os.environ), log)
            seconds, dropped, answer = log.read_text().split()[-3:]
            memory = f"{took.memory / 2**20:.0f} MiB"
            print(f"| {how} | {float(seconds):.1f} | {took.cpu:.1f} | {memory} | {int(dropped):,} |", flush=True)
            if how != "nothing":
                answers.add(answer)
    if len(answers) != 1:
        sys.exit("the answers differ")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--find"]:
        find(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    else:
        numbers = [int(argument) for argument in sys.argv[1:] if argument != "--ray"]
        main(numbers[0] if numbers else 200_000, "--ray" in sys.argv)
