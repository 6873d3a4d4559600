"""Stage one of a recipe: read the sources, hold out, deduplicate, check, write `corpus/`."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cygnet.corpus.config import CorpusConfig
from cygnet.corpus.document import Document, Dropped
from cygnet.corpus.holdout import SPLITS, Split, check_heldout, overlapping, split_of, unit_of
from cygnet.corpus.own_texts import own_texts
from cygnet.corpus.parquet import read_documents, write_documents
from cygnet.corpus.python_code import code
from cygnet.corpus.python_docs import compiled, docstrings, topics
from cygnet.corpus.standard_library import Module, read_modules, stdlib_folder
from cygnet.corpus.tasks import documents as task_documents
from cygnet.errors import UserError
from cygnet.files import write_aside, write_json

_SAMPLES = 3
_OWN_NAMES = ("docs", "code", "tasks", "own")

Splits = dict[Split, list[Document]]


def build_corpus(config: CorpusConfig, out: Path, seed: int, stdlib: Path | None = None) -> dict[str, Any]:
    """Build the corpus into the folder `out`: one parquet file a split and `stats.json`, whose content is returned.

    `stdlib` is the standard library's folder, by default the running interpreter's. Every document read is either
    kept or counted under the rule that dropped it.

    Raises:
        UserError: when a source can't be read, a split would be empty or something held out is in training.
    """
    dropped: dict[str, Counter[str]] = {}
    splits: Splits = {split: [] for split in SPLITS}
    seen: set[str] = set()
    read = _read(config, seed, stdlib or stdlib_folder())
    # training first: of two equal texts it is the held-out one that goes
    for source, split, item in sorted(read, key=lambda entry: SPLITS.index(entry[1])):
        rules = dropped.setdefault(source, Counter())
        if isinstance(item, Dropped):
            rules[item.rule] += 1
        elif item.text in seen:
            rules["duplicate"] += 1
        else:
            seen.add(item.text)
            splits[split].append(item)
    _drop_overlaps(splits, dropped)
    for split, documents in splits.items():
        if not documents:
            raise UserError(f"The corpus has no {split} documents: its sources are too small. Add documents.")
    heldout_check = check_heldout(splits["train"], splits["validation"] + splits["test"])
    stats = _stats(splits, dropped) | {"heldout_check": heldout_check}
    with write_aside(out) as folder:
        folder.mkdir()
        for split, documents in splits.items():
            write_documents(folder / f"{split}.parquet", documents)
        write_json(folder / "stats.json", stats)
    return stats


def _read(config: CorpusConfig, seed: int, stdlib: Path) -> Iterator[tuple[str, Split, Document | Dropped]]:
    """Everything the sources hold, with the split that it belongs to."""
    read = [*_read_python(config, stdlib)]
    if config.text_folder is not None:
        read += [("own", item) for item in own_texts(Path(config.text_folder))]
    for source, item in read:
        unit = unit_of(item) if isinstance(item, Document) else None
        yield source, split_of(unit) if unit else "train", item
    if config.built is not None:
        yield from _read_built(Path(config.built))
    if "tasks" in config.sources:
        for split in SPLITS:
            count = config.task_documents if split == "train" else config.heldout_task_documents
            for document in task_documents(split, seed, count, config.families, config.drills):
                yield "tasks", split, document


def _read_built(corpus: Path) -> Iterator[tuple[str, Split, Document]]:
    """What another corpus kept, in its own splits."""
    if not (corpus / "stats.json").is_file():
        raise UserError(
            f"built: {corpus} is no whole corpus: it has no stats.json. Let `cygnet corpus build` end there."
        )
    for split in SPLITS:
        for document in read_documents(corpus / f"{split}.parquet"):
            if document.source in _OWN_NAMES:
                names = ", ".join(_OWN_NAMES)
                raise UserError(f"{corpus} has a source called {document.source!r}: {names} are taken. Rename it.")
            yield document.source, split, document


def _read_python(config: CorpusConfig, stdlib: Path) -> Iterator[tuple[str, Document | Dropped]]:
    wanted = [source for source in ("docs", "code") if source in config.sources]
    if not wanted:
        return
    for module in read_modules(stdlib):
        for source in wanted:
            if isinstance(module, Module):
                extracted: Iterable[Document | Dropped] = docstrings(module) if source == "docs" else code(module)
                yield from ((source, item) for item in extracted)
            else:
                yield source, module
    if "docs" in wanted:
        yield from (("docs", item) for item in compiled())
        yield from (("docs", item) for item in topics(stdlib))


def _drop_overlaps(splits: Splits, dropped: dict[str, Counter[str]]) -> None:
    """Take out of validation and test what shares a passage with training, and count it."""
    shared = overlapping(splits["train"], splits["validation"] + splits["test"])
    for split in ("validation", "test"):
        for document in splits[split]:
            dropped[document.source]["overlaps_training"] += document.id in shared
        splits[split] = [document for document in splits[split] if document.id not in shared]


def _stats(splits: Splits, dropped: dict[str, Counter[str]]) -> dict[str, Any]:
    by_split = {split: _size(documents) for split, documents in splits.items()}
    everything = [document for documents in splits.values() for document in documents]
    by_source = {}
    for source, rules in dropped.items():
        kept = [document for document in everything if document.source == source]
        by_source[source] = {
            **_size(kept),
            "read": len(kept) + rules.total(),
            "dropped": {rule: count for rule, count in sorted(rules.items()) if count},
            "splits": {
                split: _size(document for document in documents if document.source == source)
                for split, documents in splits.items()
            },
        }
    samples = {source: _samples([d for d in splits["train"] if d.source == source]) for source in dropped}
    return {**_size(everything), "by_split": by_split, "by_source": by_source, "samples": samples}


def _size(documents: Iterable[Document]) -> dict[str, int]:
    sizes = [len(document.text.encode()) for document in documents]
    return {"documents": len(sizes), "bytes": sum(sizes)}


def _samples(documents: list[Document]) -> list[dict[str, str]]:
    """A few documents spread evenly over a source, for people to look at."""
    places = [len(documents) * (2 * number + 1) // (2 * _SAMPLES) for number in range(_SAMPLES)]
    return [{"id": documents[place].id, "text": documents[place].text} for place in sorted(set(places)) if documents]
