"""What came of a corpus: every text that was read, by what became of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cygnet.corpus.holdout import Split
from cygnet.corpus.pipeline.config import CorpusRecipe
from cygnet.corpus.pipeline.task import Task
from cygnet.files import read_json


def corpus_stats(
    recipe: CorpusRecipe, tasks: Mapping[str, Sequence[Task]], splits: Mapping[Split, Mapping[str, Any]]
) -> dict[str, Any]:
    """The content of `stats.json`; for every source: read = kept + dropped by rule + skipped by reason."""
    by_source = {name: _of_source(name, tasks) for name in recipe.sources}
    total = sum(source["bytes"] for source in by_source.values())
    weights = recipe.weights or {name: source["bytes"] for name, source in by_source.items()}
    for name, source in by_source.items():
        source["weight"] = weights[name] / (sum(weights.values()) or 1)
        source["share_of_bytes"] = source["bytes"] / total if total else 0.0
    duplicates = read_json(tasks["duplicates"][0].manifest)
    return {
        "read": sum(source["read"] for source in by_source.values()),
        "kept": sum(source["kept"] for source in by_source.values()),
        "bytes": total,
        "by_source": by_source,
        "by_split": {split: dict(counts) for split, counts in splits.items()},
        "near_duplicates": duplicates.get("near", {}),
        "contaminated": _contaminated(tasks),
        "evaluation": read_json(tasks["index"][0].manifest)["tasks"] if "index" in tasks else [],
        "removed_lines": _merged(tasks, "removed_lines", "tag"),
    }


def _of_source(name: str, tasks: Mapping[str, Sequence[Task]]) -> dict[str, Any]:
    read = [one for task in tasks["read"] if (one := _said(task, name))]
    finished = [one for task in tasks["finish"] if (one := _said(task, name))]
    skipped: Counter[str] = sum((Counter(one["skipped"]) for one in read), Counter())
    dropped: Counter[str] = sum((Counter(one["dropped"]) for one in finished), Counter())
    scrubbed: Counter[str] = sum((Counter(one["scrubbed"]) for one in finished), Counter())
    kept, texts = sum(one["kept"] for one in finished), sum(one["texts"] for one in read)
    if texts != kept + dropped.total():
        raise AssertionError(f"{name}: {texts} texts were read, {kept} kept and {dropped.total()} dropped")
    samples: dict[str, list[Any]] = {}
    for one in read:
        for reason, shown in one["skipped_samples"].items():
            samples.setdefault(reason, []).extend(shown)
    return {
        "shards": len(read),
        "read": texts + skipped.total(),
        "texts": texts,
        "kept": kept,
        "bytes": sum(one["bytes"] for one in finished),
        "bytes_read": sum(one["bytes"] for one in read),
        "skipped": dict(skipped.most_common()),
        "skipped_samples": {reason: shown[:5] for reason, shown in samples.items()},
        "dropped": dict(dropped.most_common()),
        "replaced": dict(scrubbed.most_common()),
    }


def _said(task: Task, source: str) -> dict[str, Any] | None:
    if Path(task.output).parent.name != source:
        return None
    said: dict[str, Any] = read_json(task.manifest)
    return said


def _contaminated(tasks: Mapping[str, Sequence[Task]]) -> dict[str, Any]:
    """Hits by evaluation set; an item that several shards have counts once."""
    merged = _merged(tasks, "contaminated", "judge")
    items = {tuple(item) for task in tasks["judge"] for item in read_json(task.manifest)["contaminated_items"]}
    for name, counts in merged.items():
        counts["items"] = sum(task == name for task, _ in items)
    return merged


def _merged(tasks: Mapping[str, Sequence[Task]], key: str, stage: str = "finish") -> dict[str, Any]:
    """Counts of several shards added up, name by name."""
    merged: dict[str, dict[str, Any]] = {}
    for task in tasks[stage]:
        for name, counts in read_json(task.manifest)[key].items():
            known = merged.setdefault(name, {})
            for what, count in counts.items():
                if isinstance(count, dict):
                    known[what] = dict((Counter(known.get(what, {})) + Counter(count)).most_common(10))
                else:
                    known[what] = known.get(what, 0) + count
    return merged
