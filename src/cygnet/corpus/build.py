"""A recipe's corpus: the pages that were built of its sources, other corpora, and exercises; three splits, checked."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cygnet.corpus.config import CorpusConfig
from cygnet.corpus.document import Document
from cygnet.corpus.holdout import SPLITS, Split, check_heldout, overlapping
from cygnet.corpus.pages import pages_recipe
from cygnet.corpus.parquet import read_documents, write_documents
from cygnet.corpus.pipeline.look import Stats, read_stats
from cygnet.corpus.tasks import documents as task_documents
from cygnet.errors import UserError
from cygnet.files import write_aside, write_json

_SAMPLES = 3
_OWN_NAMES = ("docs", "code", "web", "tasks", "own")


def build_corpus(config: CorpusConfig, out: Path, seed: int, pages: Path | None = None) -> dict[str, Any]:
    """Write the corpus to the folder `out`: one parquet file a split and `stats.json`, whose content is returned.

    `pages` is what `corpus.pages.build_pages` built of the sources that are read, if there are any. Every document is
    either kept or counted under the rule that dropped it. Texts pass through: in memory stay what is held out, and some
    100 bytes of each document to know equal ones by.

    Raises:
        UserError: when a corpus can't be read, a split would be empty or something held out is in training.
    """
    if pages is None and pages_recipe(config, {}) is not None:
        raise UserError("this corpus has sources that must be read: build its pages first (cygnet.corpus.pages).")
    corpora = [folder for folder in (pages, Path(config.built) if config.built else None) if folder]
    counts = _Counts()
    for corpus in corpora:
        counts.add_built(read_stats(corpus), weighs=corpus != pages)
    with write_aside(out) as folder:
        folder.mkdir()
        files = {split: folder / f"{split}.parquet" for split in SPLITS}
        seen: set[bytes] = set()
        for split in SPLITS:  # training first: of two equal texts it is the held-out one that goes
            read = _read(config, corpora, pages, seed, split)
            write_documents(files[split], _first(read, seen, counts.dropped))
        _drop_overlaps(files, counts.dropped)
        for split in SPLITS:
            counts.add(split, read_documents(files[split]))
            if not counts.by_split[split]["documents"]:
                raise UserError(f"The corpus has no {split} documents: its sources are too small. Add documents.")
        heldout = [document for split in SPLITS if split != "train" for document in read_documents(files[split])]
        check = check_heldout(read_documents(files["train"]), heldout)
        samples = _samples(read_documents(files["train"]), counts)
        stats = counts.to_json() | {"samples": samples, "heldout_check": check}
        write_json(folder / "stats.json", stats)
    return stats


def _read(
    config: CorpusConfig, corpora: Sequence[Path], pages: Path | None, seed: int, split: Split
) -> Iterator[Document]:
    """Everything that falls into a split."""
    for corpus in corpora:
        for document in read_documents(corpus / f"{split}.parquet"):
            if corpus != pages and document.source in _OWN_NAMES:
                names = ", ".join(_OWN_NAMES)
                raise UserError(f"{corpus} has a source called {document.source!r}: {names} are taken. Rename it.")
            yield document
    if "tasks" in config.sources:
        count = config.task_documents if split == "train" else config.heldout_task_documents
        yield from task_documents(split, seed, count, config.families, config.drills)


Dropped = dict[str, Counter[str]]  # by source and rule


def _first(documents: Iterable[Document], seen: set[bytes], dropped: Dropped) -> Iterator[Document]:
    """The first of equal texts."""
    for document in documents:
        digest = hashlib.blake2b(document.text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest in seen:
            dropped.setdefault(document.source, Counter())["duplicate"] += 1
        else:
            seen.add(digest)
            yield document


def _drop_overlaps(files: Mapping[Split, Path], dropped: Dropped) -> None:
    """Take out of validation and test what shares a passage with training, and count it."""
    heldout = {split: list(read_documents(path)) for split, path in files.items() if split != "train"}
    everything = [document for documents in heldout.values() for document in documents]
    shared = overlapping(read_documents(files["train"]), everything)
    for split, documents in heldout.items():
        for document in documents:
            if document.id in shared:
                dropped.setdefault(document.source, Counter())["overlaps_training"] += 1
        write_documents(files[split], [document for document in documents if document.id not in shared])


@dataclass
class _Counts:
    """Documents and bytes by split and source, and what was dropped."""

    by_split: dict[Split, dict[str, int]] = field(default_factory=dict)
    by_source: dict[str, dict[Split, dict[str, int]]] = field(default_factory=dict)
    dropped: Dropped = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)  # for `tokens.proportions = "corpus"`

    def add_built(self, stats: Stats, weighs: bool) -> None:
        """What another corpus said of its sources: nothing that it dropped is forgotten, and no weight if it weighs."""
        for source, found in stats.by_source.items():
            if weighs:
                self.weights[source] = found.weight
            self.dropped.setdefault(source, Counter()).update(Counter(found.skipped) + Counter(found.dropped))

    def add(self, split: Split, documents: Iterable[Document]) -> None:
        """Count a split."""
        of_split = self.by_split.setdefault(split, {"documents": 0, "bytes": 0})
        for document in documents:
            empty = {name: {"documents": 0, "bytes": 0} for name in SPLITS}
            of_source = self.by_source.setdefault(document.source, empty)[split]
            size = len(document.text.encode("utf-8", "surrogatepass"))
            for count in (of_split, of_source):
                count["documents"] += 1
                count["bytes"] += size

    def to_json(self) -> dict[str, Any]:
        """As stats.json has it."""
        by_source = {}
        for source, splits in self.by_source.items():
            rules = self.dropped.get(source, Counter())
            kept = _sum(splits.values())
            by_source[source] = {
                **kept,
                "read": kept["documents"] + rules.total(),
                "dropped": {rule: count for rule, count in sorted(rules.items()) if count},
                "splits": splits,
                **({"weight": self.weights[source]} if source in self.weights else {}),
            }
        return {**_sum(self.by_split.values()), "by_split": self.by_split, "by_source": by_source}


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total = Counter({"documents": 0, "bytes": 0})
    for count in counts:
        total.update(count)
    return dict(total)


def _samples(train: Iterable[Document], counts: _Counts) -> dict[str, list[dict[str, str]]]:
    """A few documents spread evenly over each source, for people to look at."""
    wanted = {}
    for source, splits in counts.by_source.items():
        size = splits["train"]["documents"]
        wanted[source] = {size * (2 * number + 1) // (2 * _SAMPLES) for number in range(_SAMPLES)}
    samples: dict[str, list[dict[str, str]]] = {source: [] for source in wanted}
    place = Counter[str]()
    for document in train:
        if place[document.source] in wanted[document.source]:
            samples[document.source].append({"id": document.id, "text": document.text})
        place[document.source] += 1
    return samples
