"""The learned quality filter beside scikit-learn and fastText, on the same texts, in turn.

python benchmarks/data/quality_filter.py [PEERS_PYTHON] [ROUNDS]

The peers are no dependency of cygnet. Put them into an environment of their own and name its interpreter:

    python -m venv /tmp/peers && /tmp/peers/bin/pip install scikit-learn fasttext-numpy2-wheel

Pieces of 600 characters of the language reference's topics (as the good ones) are told from pieces of the standard
library's docstrings. A fifth of the topics and modules, in all their pieces, is held out. All learn words and pairs of
words by logistic regression, both kinds weighing the same (fastText knows no weights). Seconds are those of the
processor, of all threads; imports are the wall clock's, in a fresh interpreter.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

PIECE = 600
WORD = r"\w+|[^\w\s]"

Scored = tuple[list[float], float, float]  # scores of the held-out texts, seconds to train, seconds to import


def by_cygnet(good: list[str], crawl: list[str], held: list[str]) -> Scored:
    """Scores and seconds."""
    began = time.perf_counter()
    from cygnet.corpus.quality import train_filter

    imported, began = time.perf_counter() - began, time.process_time()
    learned = train_filter(good, crawl, seed=1)
    seconds = time.process_time() - began
    return learned.score(held).tolist(), seconds, imported


def by_scikit_learn(good: list[str], crawl: list[str], held: list[str]) -> Scored:
    """The same; runs under the peers' interpreter, as the next does."""
    began = time.perf_counter()
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier

    imported, began = time.perf_counter() - began, time.process_time()
    hashed = HashingVectorizer(n_features=2**18, ngram_range=(1, 2), token_pattern=WORD)
    learner = SGDClassifier(loss="log_loss", class_weight="balanced", random_state=1, alpha=1e-5)
    learner.fit(hashed.transform(good + crawl), [1] * len(good) + [0] * len(crawl))
    seconds = time.process_time() - began
    return learner.predict_proba(hashed.transform(held))[:, 1].tolist(), seconds, imported


def by_fasttext(good: list[str], crawl: list[str], held: list[str]) -> Scored:
    """One thread, so that it gives the same result each time; DCLM's way."""
    began = time.perf_counter()
    import fasttext

    imported = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.txt"
        rows = [("good", text) for text in good] + [("crawl", text) for text in crawl]
        path.write_text("\n".join(f"__label__{kind} {' '.join(text.split())}" for kind, text in rows), encoding="utf-8")
        began = time.process_time()
        model = fasttext.train_supervised(
            str(path), wordNgrams=2, epoch=25, lr=0.5, bucket=2**18, thread=1, verbose=0, seed=1
        )
        seconds = time.process_time() - began
    # the binding itself: its Python wrapper asks numpy 2 for what it no longer does
    predicted = (model.f.predict(" ".join(text.split()) + "\n", 2, 0.0, "strict") for text in held)
    asked = [{kind: probability for probability, kind in each} for each in predicted]
    return [found.get("__label__good", 0.0) for found in asked], seconds, imported


WAYS: dict[str, Callable[[list[str], list[str], list[str]], Scored]] = {
    "cygnet": by_cygnet,
    "scikit-learn": by_scikit_learn,
    "fasttext": by_fasttext,
}


def texts() -> tuple[list[str], list[str], list[str], list[str]]:
    """Good and crawl texts to train on; good and crawl texts held out."""
    import quality

    documents = {"good": [], "crawl": []}  # type: dict[str, list[str]]
    for name, text in quality.texts():
        documents["good" if name in topics else "crawl"].append(text)
    parts = []
    for held in (False, True):
        for kind in ("good", "crawl"):
            chosen = [text for number, text in enumerate(documents[kind]) if (number % 5 == 0) == held]
            pieces = (text[at : at + PIECE] for text in chosen for at in range(0, len(text) - PIECE, PIECE))
            parts.append(list(dict.fromkeys(pieces)))
    good, crawl, held_good, held_crawl = parts
    return good, crawl, held_good, held_crawl


def auc(good: list[float], crawl: list[float]) -> float:
    """How often a good text scores above a crawl one."""
    return statistics.fmean((one > other) + (one == other) / 2 for one in good for other in crawl)


def measure(name: str, python: str, data: Path) -> Scored | str:
    """Run one way in a fresh interpreter: what it found, or why it did not run."""
    done = subprocess.run([python, __file__, "--way", name, data], check=False, capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    scores, seconds, imported = json.loads(done.stdout.splitlines()[-1])
    return scores, seconds, imported


def main(python: str | None = None, rounds: int = 3) -> None:
    """Print a line a way."""
    good, crawl, held_good, held_crawl = texts()
    sizes = f"{len(good)} good and {len(crawl)} crawl texts; held out {len(held_good)} and {len(held_crawl)}"
    print(f"{sizes}; rounds: {rounds}")
    interpreters = {"cygnet": sys.executable} | (dict.fromkeys(list(WAYS)[1:], python) if python else {})
    if not python:
        print("The peers are not measured: name the interpreter of an environment that has them.")
    found: dict[str, list[Any]] = {name: [] for name in interpreters}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "texts.json"
        data.write_text(json.dumps([good, crawl, held_good + held_crawl]), encoding="utf-8")
        for _ in range(rounds):
            for name, interpreter in interpreters.items():
                found[name].append(measure(name, interpreter, data))
    print("\n| | AUC | accuracy | train, CPU-s | import, s |\n| --- | --- | --- | --- | --- |")
    for name, results in found.items():
        if isinstance(results[-1], str):
            print(f"| {name} | did not run: {results[-1]} |")
            continue
        scores = results[-1][0]
        high, low = scores[: len(held_good)], scores[len(held_good) :]
        accuracy = (statistics.fmean(s > 0.5 for s in high) + statistics.fmean(s <= 0.5 for s in low)) / 2
        seconds, imported = (statistics.median(result[place] for result in results) for place in (1, 2))
        print(f"| {name} | {auc(high, low):.4f} | {accuracy:.3f} | {seconds:.2f} | {imported:.2f} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--way"]:
        print(json.dumps(WAYS[sys.argv[2]](*json.loads(Path(sys.argv[3]).read_text(encoding="utf-8")))))
    else:
        main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
