"""`cygnet corpus build`: which tasks a corpus takes, in which order, and what came of it."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cygnet.corpus.dedup.daft import check_daft
from cygnet.corpus.extraction.page import PDF_IS_READ
from cygnet.corpus.holdout import SPLITS, Split
from cygnet.corpus.pipeline.config import CorpusRecipe
from cygnet.corpus.pipeline.crawls import Crawled, crawl_folder, crawl_sources
from cygnet.corpus.pipeline.engines import Engine
from cygnet.corpus.pipeline.report import corpus_stats
from cygnet.corpus.pipeline.split import write_splits
from cygnet.corpus.pipeline.stages import carry_out
from cygnet.corpus.pipeline.task import Task, is_done
from cygnet.corpus.quality import preset, with_bounds
from cygnet.corpus.quality.learned import QualityFilter
from cygnet.corpus.reading.config import PydocSource
from cygnet.corpus.reading.shards import list_shards
from cygnet.errors import UserError
from cygnet.files import read_json, write_json
from cygnet.lock import locked

Progress = Callable[[str, int, int], None]  # stage, tasks done, tasks in all


def build(
    recipe: CorpusRecipe, base: Path, out: Path, engine: Engine, progress: Progress, part: bool = False
) -> dict[str, Any]:
    """Build the corpus in the folder `out` and return its `stats.json`. What is done already is not done again.

    Relative paths in the recipe begin at `base`. Of a corpus that is only a `part` of one, a split may be empty.

    Raises:
        UserError: when a source can't be opened, nothing is kept, or a held-out split would be empty.
    """
    _check(recipe, base)
    with locked(out):
        _clear(out)
        (out / "stats.json").unlink(missing_ok=True)  # without it a corpus is not whole
        pipeline = _Pipeline(recipe, base.resolve(), out.resolve(), engine, progress)
        with closing(engine):
            documents = pipeline.run()
        counts = write_splits(documents, out, recipe.heldout)
        for split in SPLITS:
            if not (counts[split] or part):
                raise UserError(_empty(split, pipeline.said(documents)))
        stats = corpus_stats(recipe, pipeline.tasks, counts)
        for name, source in stats["by_source"].items():
            if not source["texts"]:
                raise UserError(f"source {name} holds no text. Skipped: {_counted(source['skipped']) or 'nothing'}.")
            if not source["kept"]:
                raise UserError(
                    f"source {name}: none of its {source['texts']} texts is kept. {_most(source['dropped'])}"
                )
        _remove_others(out, pipeline.tasks)
        write_json(out / "recipe.json", recipe.model_dump(mode="json"))
        write_json(out / "stats.json", stats)
        return stats


def _clear(out: Path) -> None:
    """Remove what killed processes were writing."""
    for pattern in (".*.writing-*", "documents/**/.*.writing-*", "work/**/.*.writing-*"):
        for path in out.glob(pattern):
            path.unlink(missing_ok=True)
    for path in out.glob("work/buckets-*"):
        shutil.rmtree(path, ignore_errors=True)


def _check(recipe: CorpusRecipe, base: Path) -> None:
    """What can be found wrong before anything is read."""
    for name, path in recipe.evaluation.items():
        if not (base / path).is_file():
            raise UserError(f"evaluation.{name}: {base / path} does not exist.")
    if recipe.quality.filter is not None and not (base / recipe.quality.filter).is_dir():
        raise UserError(f"quality.filter: {base / recipe.quality.filter} is not a folder.")
    if recipe.quality.filter is not None:
        QualityFilter.load(base / recipe.quality.filter)
    if recipe.dedup.near and recipe.dedup.shuffle == "daft":
        check_daft()
    if recipe.weights and set(recipe.weights) != set(recipe.sources):
        named, there = set(recipe.weights), set(recipe.sources)
        sides = {"without one": sorted(there - named), "of no source": sorted(named - there)}
        told = "; ".join(f"{side}: {', '.join(names)}" for side, names in sides.items() if names)
        raise UserError(f"weights: every source has one, or none has. Look at those {told}.")
    if unknown := sorted(set(recipe.quality.by_source) - set(recipe.sources)):
        raise UserError(
            f"quality.by_source: there is no source {unknown[0]!r}. There are: {', '.join(recipe.sources)}."
        )
    used = {chosen for source in recipe.sources if (chosen := recipe.preset_of(source))}
    if recipe.bounds and not used:
        raise UserError("bounds changes the rules of a preset: say which, as quality.preset.")
    with_bounds([rule for chosen in sorted(used) for rule in preset(chosen).rules], _bounds(recipe))


def bounds_of(recipe: CorpusRecipe, source: str) -> dict[str, float | None]:
    """The changed bounds of the rules that hold for a source; None is a rule that is off."""
    chosen = recipe.preset_of(source)
    names = {rule.name for rule in preset(chosen).rules} if chosen else ()
    return {name: bound for name, bound in _bounds(recipe).items() if name in names}


def _bounds(recipe: CorpusRecipe) -> dict[str, float | None]:
    return {name: None if bound == "off" else float(bound) for name, bound in recipe.bounds.items()}


def _empty(split: Split, said: Sequence[dict[str, Any]]) -> str:
    rules: dict[str, int] = {}
    for one in said:
        for rule, count in one["dropped"].items():
            rules[rule] = rules.get(rule, 0) + count
    read, kept = sum(one["texts"] for one in said), sum(one["kept"] for one in said)
    more = f" {_most(rules)}" if rules else " Add sources, or raise heldout."
    return f"{kept} of {read} texts are kept, and none of them falls into {split}.{more}"


def _most(rules: Mapping[str, int]) -> str:
    most = _counted(rules)
    return f"Most were dropped by {most}. Loosen a rule, or add to the source." if most else "Look at what it reads."


def _counted(rules: Mapping[str, int]) -> str:
    return ", ".join(f"{rule} ({count})" for rule, count in sorted(rules.items(), key=lambda entry: -entry[1])[:5])


def _remove_others(out: Path, tasks: Mapping[str, Sequence[Task]]) -> None:
    """Remove the shards of sources that are no more, or have fewer shards now."""
    outputs = {Path(task.output) for of_stage in tasks.values() for task in of_stage}
    known = outputs | {task.manifest for of_stage in tasks.values() for task in of_stage}
    for folder in (out / "documents", out / "work"):
        for path in folder.resolve().rglob("*"):
            if path.is_file() and path not in known and not path.name.startswith("slurm-"):
                path.unlink()


@dataclass
class _Pipeline:
    recipe: CorpusRecipe
    base: Path
    out: Path
    engine: Engine
    progress: Progress

    def __post_init__(self) -> None:
        self.tasks: dict[str, list[Task]] = {}  # by stage

    def run(self) -> list[Path]:
        """All stages; the shards of documents, in order."""
        recipe, dedup = self.recipe, self.recipe.dedup
        crawl_sources(recipe.sources, self.out, self.progress)
        texts = self._stage(list(self._reading()))
        repeated: list[str] = []
        if dedup.lines:
            lines = self._stage([Task("lines", (path,), self._beside(path, "lines", ".safetensors")) for path in texts])
            often = {"share": dedup.lines_share, "least": dedup.lines_least}
            repeated = self._stage([Task("repeated", tuple(lines), self._work("repeated.safetensors"), often)])
        learned = str(self.base / recipe.quality.filter) if recipe.quality.filter else None
        measured = {"lines": dedup.lines, "filter": learned}
        filters = [str(path) for path in sorted(Path(learned).iterdir())] if learned else []
        tagged = self._stage(
            [Task("tag", (path, *repeated, *filters), self._beside(path, "tagged"), measured) for path in texts]
        )
        index, fingerprints = self._index()
        judged = {
            "fingerprints": fingerprints,
            "quality": self._least(learned),
            "languages": list(recipe.language.keep),
            "score": recipe.language.least,
        }
        verdicts = self._stage(
            [
                Task("judge", (path, *index), self._beside(path, "verdicts"), judged | self._rules(path))
                for path in tagged
            ]
        )
        again = {
            "exact": dedup.exact,
            "near": dedup.near,
            "shuffle": dedup.shuffle,
            "tagged": tagged,
            "verdicts": verdicts,
        }
        (duplicates,) = self._stage([Task("duplicates", (*tagged, *verdicts), self._work("duplicates.parquet"), again)])
        documents = self._stage(
            [
                Task("finish", (tag, verdict, duplicates), self._document(tag), self._last(tag) | {"number": number})
                for number, (tag, verdict) in enumerate(zip(tagged, verdicts, strict=True))
            ]
        )
        return [Path(path) for path in documents]

    def _rules(self, shard: str) -> dict[str, Any]:
        source = _source_of(shard)
        return {"preset": self.recipe.preset_of(source), "bounds": bounds_of(self.recipe, source)}

    def _last(self, shard: str) -> dict[str, Any]:
        return {"preset": self.recipe.preset_of(_source_of(shard)), "pii": list(self.recipe.pii)}

    def _least(self, learned: str | None) -> float | None:
        """The score of the learned filter that a text must have."""
        least = self.recipe.quality.least
        return QualityFilter.load(Path(learned)).threshold if learned and least is None else least

    def said(self, outputs: Sequence[Path]) -> list[dict[str, Any]]:
        """The manifests of these outputs."""
        return [read_json(path.with_name(f"{path.name}.json")) for path in outputs]

    def _reading(self) -> Iterator[Task]:
        for name, config in self.recipe.sources.items():
            crawled = crawl_folder(self.out, name) if isinstance(config, Crawled) else None
            extraction = self.recipe.extraction.model_dump(mode="json")
            if isinstance(config, PydocSource):  # old markup, of which our own rules take out what is no content
                extraction |= {"extractor": "resiliparse", "main_content": False}
            for number, shard in enumerate(list_shards(config, self.base, crawled)):
                told = {
                    "source": name,
                    "config": config.model_dump(mode="json"),
                    "shard": shard.name,
                    "extraction": extraction | {"pdf": PDF_IS_READ},
                }
                files = tuple(str(path.resolve()) for path in shard.paths)
                inside = [file for file in files if Path(file).is_relative_to(self.out)]
                if inside and crawled is None:
                    raise UserError(
                        f"source {name} reads {inside[0]}, which is in the corpus itself: choose another --out."
                    )
                yield Task("read", files, self._work(f"texts/{name}/{number:05}.parquet"), told)

    def _index(self) -> tuple[list[str], dict[str, str]]:
        """The index of the evaluation sets, if there are any: its file, and what it must have been built of."""
        if not self.recipe.evaluation:
            return [], {}
        sets = {name: str(self.base / path) for name, path in self.recipe.evaluation.items()}
        task = Task("index", tuple(sets.values()), self._work("evaluation.safetensors"), {"sets": sets})
        paths = self._stage([task])
        return paths, read_json(task.manifest)["fingerprints"]

    def _stage(self, tasks: list[Task]) -> list[str]:
        """Run the tasks of a stage that are not done; their outputs, in order."""
        stage = tasks[0].stage
        self.tasks[stage] = tasks
        waiting = [task for task in tasks if not is_done(task)]
        finished = len(tasks) - len(waiting)
        self.progress(stage, finished, len(tasks))

        def done(_: Task) -> None:
            nonlocal finished
            finished += 1
            self.progress(stage, finished, len(tasks))

        if len(tasks) == 1:
            for task in waiting:  # it looks at everything, or is all there is: no engine is started for it
                carry_out(task, self.engine.cluster() if task.told.get("shuffle") == "daft" else None)
                done(task)
        elif waiting:
            self.engine.run(waiting, done)
        return [task.output for task in tasks]

    def _work(self, name: str) -> str:
        return str(self.out / "work" / name)

    def _beside(self, path: str, stage: str, suffix: str = ".parquet") -> str:
        return self._work(f"{stage}/{_source_of(path)}/{Path(path).stem}{suffix}")

    def _document(self, tagged: str) -> str:
        return str(self.out / "documents" / _source_of(tagged) / Path(tagged).name)


def _source_of(shard: str) -> str:
    """The name of the source that a shard, of whatever stage, is of."""
    return Path(shard).parent.name


def default_workers() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
