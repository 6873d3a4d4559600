"""Rules on quality: cygnet's metrics and datatrove's four filters in turn, on the same texts, verdict by verdict.

python benchmarks/data/quality.py [PEERS_PYTHON] [ROUNDS]

The peer is no dependency of cygnet. Put it into an environment of its own and name its interpreter:

    python -m venv /tmp/peers && /tmp/peers/bin/pip install datatrove regex spacy

The texts are the standard library's documentation: the topics of the language reference and each module's docstrings.
datatrove's filters have their defaults, and all four judge every text (FineWeb's where C4's kept it, on the text that
C4's edited), as cygnet measures every text for all rules. Seconds are those of the processor, of all threads, from
texts in memory to verdicts; what is imported and loaded before the first text is not counted.
"""

import ast
import json
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

ALL = "all of them, as FineWeb asks"
GROUPS = ("Gopher, repetition", "Gopher, quality", "C4 without terminal punctuation", "FineWeb")
SHOWN = 12  # disagreements printed

Verdicts = list[dict[str, bool]]  # a text: which filters dropped it


def texts() -> Iterator[tuple[str, str]]:
    """Name and text of each topic, and of each module with at least 1,500 characters of docstrings."""
    yield from sorted(topics.items())
    stdlib = Path(sysconfig.get_path("stdlib"))
    for path in sorted(stdlib.rglob("*.py")):
        name = path.relative_to(stdlib)
        if {"site-packages", "test", "tests", "idlelib"}.isdisjoint(name.parts):
            text = _docstrings(path)
            if len(text) >= 1_500:
                yield str(name), text


def _docstrings(path: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, ValueError):
            return ""
    documented = (node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
    return "\n\n".join(filter(None, map(ast.get_docstring, documented)))


def by_cygnet(documents: list[str]) -> tuple[Verdicts, float]:
    """Verdicts, and the processor's seconds."""
    from cygnet.corpus.quality import PRESETS, metrics, verdict

    rules = PRESETS["fineweb-code"].rules
    quality = next(place for place, rule in enumerate(rules) if rule.name == "gopher_too_few_words")
    c4 = next(place for place, rule in enumerate(rules) if rule.name.startswith("c4_"))
    own = next(place for place, rule in enumerate(rules) if rule.name.startswith("fineweb_"))
    cuts = zip(GROUPS, (0, quality, c4, own), (quality, c4, own, len(rules)), strict=True)
    groups = {name: rules[first:last] for name, first, last in cuts}
    began = time.process_time()
    found = []
    for text in documents:
        measured = metrics(text)
        found.append({name: verdict(measured, group) is not None for name, group in groups.items()})
    return found, time.process_time() - began


def by_datatrove(documents: list[str]) -> tuple[Verdicts, float]:
    """The same; runs under the peers' interpreter."""
    from datatrove.data import Document
    from datatrove.pipeline import filters

    asked = [
        filters.GopherRepetitionFilter(),
        filters.GopherQualityFilter(),
        filters.C4QualityFilter(filter_no_terminal_punct=False),
        filters.FineWebQualityFilter(),
    ]

    def judge(text: str) -> dict[str, bool]:
        document = Document(text=text, id="")
        return {name: each.filter(document) is not True for name, each in zip(GROUPS, asked, strict=True)}

    judge("The tokenizer is loaded with the first text.")
    began = time.process_time()
    found = [judge(text) for text in documents]
    return found, time.process_time() - began


def peer(python: str, documents: list[str]) -> tuple[Verdicts, float]:
    """`by_datatrove` in the environment of the peers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.json"
        path.write_text(json.dumps(documents), encoding="utf-8")
        done = subprocess.run([python, __file__, "--judge", path], check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"datatrove did not run under {python}:\n{done.stderr[-1500:]}")
    verdicts, seconds = json.loads(done.stdout.splitlines()[-1])
    return verdicts, seconds


def agreement(names: list[str], ours: Verdicts, theirs: Verdicts) -> None:
    """Print how often both drop a text, and where they differ."""
    print("\n| Filter | Texts | datatrove drops | cygnet drops | same verdict |\n| --- | --- | --- | --- | --- |")
    for group in (*GROUPS, ALL):
        # what C4 dropped, FineWeb's filter never sees as C4 would leave it
        reached = [n for n, their in enumerate(theirs) if group != GROUPS[3] or not their[GROUPS[2]]]
        our, their = ([_dropped(side[n], group) for n in reached] for side in (ours, theirs))
        same = sum(one == other for one, other in zip(our, their, strict=True))
        print(f"| {group} | {len(reached)} | {sum(their)} | {sum(our)} | {same / len(reached):.1%} |")
    different = [
        f"{name} ({group})"
        for name, our, their in zip(names, ours, theirs, strict=True)
        for group in GROUPS[:3]
        if our[group] != their[group]
    ]
    print(f"\nDifferent: {', '.join(different[:SHOWN]) or 'none'}{' …' if len(different) > SHOWN else ''}")


def _dropped(verdicts: dict[str, bool], group: str) -> bool:
    return any(verdicts.values()) if group == ALL else verdicts[group]


def main(python: str | None = None, rounds: int = 3) -> None:
    """Print rates, and where the verdicts agree."""
    named = dict(texts())
    documents = list(named.values())
    millions = sum(map(len, documents)) / 1e6
    print(f"{len(documents)} texts, {millions:.2f} M characters; rounds: {rounds}")
    ways: dict[str, Callable[[list[str]], tuple[Verdicts, float]]] = {"cygnet": by_cygnet}
    if python:
        ways["datatrove"] = lambda documents: peer(python, documents)
    else:
        print("datatrove is not measured: name the interpreter of an environment that has it.")
    rates: dict[str, list[float]] = {name: [] for name in ways}
    verdicts: dict[str, Any] = {}
    by_cygnet(documents[:1])  # imports
    for _ in range(rounds):
        for name, judge in ways.items():
            verdicts[name], seconds = judge(documents)
            rates[name].append(millions / seconds)
    print("\n| | M characters a CPU-second (median, least, most) |\n| --- | --- |")
    for name, found in rates.items():
        print(f"| {name} | {statistics.median(found):.2f} ({min(found):.2f}, {max(found):.2f}) |")
    if python:
        ratios = [ours / theirs for ours, theirs in zip(rates["cygnet"], rates["datatrove"], strict=True)]
        print(
            f"\ncygnet over datatrove: {statistics.median(ratios):.1f} times ({min(ratios):.1f} to {max(ratios):.1f})"
        )
        agreement(list(named), verdicts["cygnet"], verdicts["datatrove"])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--judge"]:
        print(json.dumps(by_datatrove(json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))))
    else:
        main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
