"""Near-duplicate signatures: cygnet, datasketch and datatrove's MinHash stage in turn, on planted near-duplicates.

python benchmarks/data/dedup.py [PEERS_PYTHON] [ROUNDS]

The peers are no dependency of cygnet. Put them into an environment of their own and name its interpreter:

    python -m venv /tmp/peers && /tmp/peers/bin/pip install datasketch 'datatrove[io,processing]' spacy

5,000 texts of 6,600 characters are cut from the standard library's source; 500 of them are copies of others in which
0.5 to 3 % of the words were replaced. All use 112 hashes, 14 bands of 8, runs of 5 words. Seconds are those of the
processor, of all threads, from texts in memory to signatures (in files for datatrove, whose stage writes them, and for
cygnet). Recall is the share of planted pairs that agree in a whole band.
"""

import json
import random
import re
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TEXTS, PLANTED, CHARACTERS = 5_000, 500, 6_600
BANDS, ROWS = 14, 8
LEAST, MOST = 0.005, 0.03  # of a planted text's words are replaced

Keys = np.ndarray[Any, Any]  # [N, 14, 8]: the bands of each text


def planted() -> tuple[list[str], list[tuple[int, int]]]:
    """The texts, and which pairs of them are near-duplicates."""
    source = random.Random(1)
    texts = pieces(TEXTS - PLANTED)
    pairs = []
    for original in source.sample(range(len(texts)), PLANTED):
        pairs.append((original, len(texts)))
        texts.append(changed(texts[original], source.uniform(LEAST, MOST), source))
    return texts, pairs


def pieces(count: int) -> list[str]:
    """Stretches of the standard library's files, in their order."""
    library = Path(sysconfig.get_path("stdlib"))
    files = [file for file in sorted(library.rglob("*.py")) if "site-packages" not in file.parts]
    everything = "\n".join(file.read_text(encoding="utf-8", errors="ignore") for file in files)
    found = [everything[start : start + CHARACTERS] for start in range(0, len(everything), CHARACTERS)]
    if len(found) < count:
        sys.exit(f"{library} has text for {len(found)} pieces only, {count} are needed. Install its tests.")
    return found[:count]


def changed(text: str, share: float, source: random.Random) -> str:
    """A copy with this share of its words replaced."""
    parts = re.split(r"(\s+)", text)
    words = [place for place, part in enumerate(parts) if part.strip()]
    for place in source.sample(words, max(1, round(share * len(words)))):
        parts[place] = f"w{source.randrange(10**6)}"
    return "".join(parts)


def cygnet(texts: list[str], folder: Path) -> tuple[float, Keys]:
    """CPU-seconds and bands."""
    from cygnet.corpus.dedup.signatures import save_signatures, signatures

    began = time.process_time()
    found = signatures(texts)
    save_signatures(folder / "signatures", found)
    return time.process_time() - began, found.reshape(-1, BANDS, ROWS)


def datasketch(texts: list[str], folder: Path) -> tuple[float, Keys]:  # noqa: ARG001 (it writes no files)
    """CPU-seconds and bands: shingles by joining words, then its bulk update."""
    from datasketch import MinHash

    began = time.process_time()
    found = []
    for text in texts:
        words = text.lower().split()
        shingles = {" ".join(words[start : start + 5]).encode() for start in range(len(words) - 4)}
        signed = MinHash(num_perm=BANDS * ROWS, seed=1)
        signed.update_batch(shingles)
        found.append(signed.hashvalues)
    return time.process_time() - began, np.array(found).reshape(-1, BANDS, ROWS)


def datatrove(texts: list[str], folder: Path) -> tuple[float, Keys]:
    """CPU-seconds of its first MinHash stage without loading its word tokenizer, and the bands from its files."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature

    stage = MinhashDedupSignature(str(folder), MinhashConfig(n_grams=5, num_buckets=BANDS, hashes_per_bucket=ROWS))
    stage.get_shingles("This loads the word tokenizer and so much else.")
    documents = [Document(text=text, id=str(number)) for number, text in enumerate(texts)]
    began = time.process_time()
    stage.run(documents)
    seconds = time.process_time() - began
    keys = np.zeros((len(texts), BANDS, ROWS), np.uint64)
    for band in range(BANDS):
        rows = np.fromfile(folder / f"bucket_{band:03d}/00000.minhash.sig", [("hashes", "<u8", ROWS), ("text", "<u4")])
        keys[rows["text"], band] = rows["hashes"]
    return seconds, keys


SYSTEMS: dict[str, Callable[[list[str], Path], tuple[float, Keys]]] = {
    "cygnet": cygnet,
    "datasketch": datasketch,
    "datatrove": datatrove,
}


def measure(name: str, file: Path, out: Path) -> None:
    """In a process of its own: one system on all texts, its bands into `out`, its seconds printed."""
    with tempfile.TemporaryDirectory() as folder:
        seconds, keys = SYSTEMS[name](json.loads(file.read_text(encoding="utf-8")), Path(folder))
    np.save(out, keys, allow_pickle=False)
    print(f"\n{seconds}")


def run(python: str, name: str, file: Path, out: Path) -> float | None:
    """CPU-seconds, or None if the system isn't there; recall follows from `out`."""
    done = subprocess.run([python, __file__, "--measure", name, file, out], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return float(done.stdout.split()[-1])
    print(f"{name} is left out: {(done.stderr.strip().splitlines() or ['it failed'])[-1]}", file=sys.stderr)
    return None


def main(peers: str, rounds: int) -> None:
    """Print a table."""
    texts, pairs = planted()
    characters = sum(map(len, texts))
    seconds: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    recall: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "texts.json", Path(folder) / "keys.npy"
        file.write_text(json.dumps(texts), encoding="utf-8")
        for number in range(rounds):
            for name in [name for name in SYSTEMS if number == 0 or seconds[name]]:
                taken = run(sys.executable if name == "cygnet" else peers, name, file, out)
                if taken is not None:
                    seconds[name].append(taken)
                    keys = np.load(out)
                    left, right = (keys[list(side)] for side in zip(*pairs, strict=True))
                    recall[name] = float((left == right).all(axis=2).any(axis=1).mean())
    print(f"{len(texts):,} texts, {characters / 1e6:.1f} M characters, {len(pairs)} planted pairs; {rounds} rounds\n")
    print("| | CPU-seconds | M characters a CPU-second | recall | cygnet's rate is |\n| --- | --- | --- | --- | --- |")
    for name, found in seconds.items():
        if found:
            ratios = [theirs / ours for ours, theirs in zip(seconds["cygnet"], found, strict=True)]
            median = statistics.median(found)
            spread = f"{statistics.median(ratios):.1f} times ({min(ratios):.1f} to {max(ratios):.1f})"
            print(f"| {name} | {median:.2f} | {characters / 1e6 / median:.1f} | {recall[name]:.3f} | {spread} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    else:
        main(sys.argv[1] if len(sys.argv) > 1 else sys.executable, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
