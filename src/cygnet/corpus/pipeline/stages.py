"""The stages: each makes one file out of others, the same wherever and in whatever order it runs.

    read       a shard of a source       → texts: every text it has; what gives none is counted by reason
    lines      texts                     → hashes of their lines, by host
    repeated   all lines                 → hashes of the lines that stand on many pages of a host
    tag        texts, repeated           → texts without those lines, with everything that is ever measured of them
    index      evaluation sets           → an index of their passages
    judge      tagged, index             → the first rule that each text breaks, or the question that it has, if any
    duplicates all tagged, all verdicts  → of the texts that stay, those that are there already
    finish     tagged, verdicts, …       → documents: every text with what became of it

Changing a rule or a threshold runs only what comes after `tag`.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter
from safetensors.numpy import load_file, save_file

from cygnet.corpus.decontaminate import Decontaminator, Hit, tally
from cygnet.corpus.dedup.exact import text_hashes
from cygnet.corpus.dedup.lines import LineRemover, PageLines, RemovedLines, page_lines, repeated_lines
from cygnet.corpus.dedup.signatures import kind, signatures
from cygnet.corpus.extraction.isolated import IsolatedExtractor
from cygnet.corpus.extraction.language import identify
from cygnet.corpus.extraction.page import ExtractionOptions
from cygnet.corpus.pii import scrub
from cygnet.corpus.pipeline.duplicates import duplicates
from cygnet.corpus.pipeline.shards import (
    DOCUMENTS,
    TAGGED,
    TEXTS,
    VERDICTS,
    Row,
    document_id,
    read_batches,
    read_rows,
    read_where,
    write_rows,
)
from cygnet.corpus.pipeline.task import Stage, Task, perform
from cygnet.corpus.quality import c4_lines, failures, metrics, preset, with_bounds
from cygnet.corpus.quality.learned import QualityFilter
from cygnet.corpus.reading.config import Source
from cygnet.corpus.reading.shards import Shard, read_shard
from cygnet.corpus.records import Record, Skipped

_SAMPLES = 5  # of what was skipped, by reason
_SOURCE: TypeAdapter[Source] = TypeAdapter(Source)


def carry_out(task: Task, cluster: str | None = None) -> None:
    """Run a task, unless it is done. cluster: address of a Ray cluster, for a stage that uses one by itself."""
    stage = partial(duplicates, cluster=cluster) if task.stage == "duplicates" else STAGES[task.stage]
    perform(task, stage)


def host_of(url: str) -> str:
    """Whose page it is; "" for what is no page of the web."""
    try:
        found = urlsplit(url)
    except ValueError:  # "http://[" is an address to nobody
        return ""
    return found.netloc if found.scheme in ("http", "https") else ""


def _read(task: Task, out: Path) -> dict[str, Any]:
    skipped: Counter[str] = Counter()
    samples: dict[str, list[dict[str, str]]] = {}
    size = 0

    def texts() -> Iterator[Row]:
        nonlocal size
        for item in _items(task):
            if isinstance(item, Skipped):
                skipped[item.reason] += 1
                if len(shown := samples.setdefault(item.reason, [])) < _SAMPLES:
                    shown.append({"url": _named(item.url), "detail": _named(item.detail)})
            else:
                size += len(item.text.encode("utf-8", "surrogatepass"))
                metadata = {name: _named(value) for name, value in item.metadata.items()}
                yield {"source": item.source, "url": _named(item.url), "text": item.text, "metadata": metadata}

    count = write_rows(out, TEXTS, texts())
    return {"texts": count, "bytes": size, "skipped": dict(sorted(skipped.items())), "skipped_samples": samples}


def _named(name: str) -> str:
    """A name as text: bytes of a file's name that are not UTF-8 are spelled as Python does."""
    return name.encode(errors="backslashreplace").decode()


def _items(task: Task) -> Iterator[Record | Skipped]:
    told = task.told
    shard = Shard(told["shard"], tuple(map(Path, task.inputs)), 0)
    options = {name: value for name, value in told["extraction"].items() if name != "pdf"}
    with IsolatedExtractor(ExtractionOptions(**options)) as extract:
        yield from read_shard(told["source"], _SOURCE.validate_python(told["config"]), shard, extract)


def _lines(task: Task, out: Path) -> dict[str, Any]:
    rows = read_rows(Path(task.inputs[0]), ["url", "text"])
    found = page_lines((host, row["text"]) for row in rows if (host := host_of(row["url"])))
    save_file({"lines": found.lines, "hosts": found.hosts}, out)
    return {}


def _repeated(task: Task, out: Path) -> dict[str, Any]:
    shards = (PageLines(**load_file(path)) for path in task.inputs)
    found = repeated_lines(shards, out.parent, task.told["share"], task.told["least"])
    save_file({"repeated": found}, out)
    return {"lines": len(found)}


def _tag(task: Task, out: Path) -> dict[str, Any]:
    texts, *rest = map(Path, task.inputs)
    remover = LineRemover(load_file(rest[0])["repeated"]) if task.told["lines"] else None
    learned = QualityFilter.load(Path(task.told["filter"])) if task.told["filter"] else None
    removed = RemovedLines()

    def tagged() -> Iterator[Row]:
        for batch in read_batches(texts):
            for row in batch:
                row["repeated_lines"] = 0
                if remover and (host := host_of(row["url"])):
                    row["text"], gone = remover.remove(host, row["text"])
                    row["repeated_lines"] = len(gone)
                    removed.add(host, gone)
            found = [row["text"] for row in batch]
            scores = learned.score(found).tolist() if learned else [None] * len(found)
            hashes, signed = text_hashes(found).astype(">u8"), signatures(found).astype("<u4")
            for place, row in enumerate(batch):
                row["language"], row["language_score"] = identify(row["text"])
                row |= {"metrics": metrics(row["text"]), "quality": scores[place]}
                row |= {"hash": hashes[place].tobytes(), "signature": signed[place].tobytes()}
                yield row

    count = write_rows(out, TAGGED, tagged(), kind())
    return {"texts": count, "removed_lines": removed.report()}


def _judge(task: Task, out: Path) -> dict[str, Any]:
    """Before duplicates are looked for, so that a text that goes takes none along that are like it."""
    told = task.told
    rules = with_bounds(preset(told["preset"]).rules, told["bounds"]) if told["preset"] else ()
    index = Decontaminator.load(Path(task.inputs[1]), told["fingerprints"]) if told["fingerprints"] else None
    hits: list[list[Hit]] = []

    def verdict(row: Row) -> Row:
        if not row["metrics"]["characters"]:
            return {"rule": "nothing_left", "detail": "all its lines stand on many pages"}
        if told["languages"] and not (row["language"] in told["languages"] and row["language_score"] >= told["score"]):
            return {"rule": "language", "detail": f"{row['language']} with {row['language_score']:.2f}"}
        if broken := failures(row["metrics"], rules):
            return {"rule": broken[0].rule.name, "detail": "; ".join(map(str, broken))}
        if row["quality"] is not None and row["quality"] < told["quality"]:
            return {"rule": "learned_filter", "detail": f"scored {row['quality']:.3f}"}
        if index and (shared := index.hits(row["text"])):
            hits.append(shared)
            found = shared[0]
            return {"rule": "contaminated", "detail": f"{found.task}, item {found.item}: {found.passage}"}
        return {"rule": None, "detail": None}

    columns = ["language", "language_score", "metrics", "quality", *(["text"] if index else [])]
    write_rows(out, VERDICTS, map(verdict, read_rows(Path(task.inputs[0]), columns)))
    items = sorted({(hit.task, hit.item) for found in hits for hit in found})
    return {"contaminated": tally(hits), "contaminated_items": items}


def _index(task: Task, out: Path) -> dict[str, Any]:
    index = Decontaminator.build({name: Path(path) for name, path in task.told["sets"].items()})
    index.save(out)
    return {"fingerprints": index.fingerprints, "tasks": [vars(one) for one in index.tasks]}


def _finish(task: Task, out: Path) -> dict[str, Any]:
    tagged, verdicts, duplicates = map(Path, task.inputs)
    told = task.told
    edit = preset(told["preset"]).lines if told["preset"] else None
    again = {row["row"]: row for row in read_where(duplicates, "shard", told["number"])}
    dropped: Counter[str] = Counter()
    scrubbed: Counter[str] = Counter()
    size = 0

    def finished() -> Iterator[Row]:
        nonlocal size
        columns = [name for name in TAGGED.names if name not in ("hash", "signature")]
        rows = zip(read_rows(tagged, columns), read_rows(verdicts), strict=True)
        for place, (row, verdict) in enumerate(rows):
            rule, detail = verdict["rule"], verdict["detail"]
            edits = +Counter(repeated_line=row.pop("repeated_lines"))
            if found := again.get(place):
                rule, detail = found["rule"], f"of {found['of']}"
            if rule is None and edit is not None:
                row["text"], taken = c4_lines(row["text"], edit)
                edits.update(taken)
            if rule is None and told["pii"]:
                row["text"], counts = scrub(row["text"], told["pii"])
                edits.update(counts)
                scrubbed.update(counts)
            if rule is None and not row["text"].strip():
                rule, detail = "nothing_left", "all lines were taken out"
            if rule is None:
                size += len(row["text"].encode("utf-8", "surrogatepass"))
            else:
                dropped[rule] += 1
            yield row | {"id": document_id(tagged, place), "dropped": rule, "detail": detail, "edits": dict(edits)}

    count = write_rows(out, DOCUMENTS, finished())
    return {
        "texts": count,
        "kept": count - dropped.total(),
        "bytes": size,
        "dropped": dict(sorted(dropped.items())),
        "scrubbed": dict(sorted(scrubbed.items())),
    }


STAGES: dict[str, Stage] = {
    "read": _read,
    "lines": _lines,
    "repeated": _repeated,
    "tag": _tag,
    "judge": _judge,
    "duplicates": duplicates,
    "index": _index,
    "finish": _finish,
}
