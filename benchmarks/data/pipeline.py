r"""From WARC files to a corpus: `cygnet corpus build` and datatrove's FineWeb pipeline in turn, on the same files.

python benchmarks/data/pipeline.py PEERS_PYTHON FOLDER [ROUNDS]

FOLDER has pages of HTML, for example those of Debian's packages of documentation (`apt-get download python3-doc …`,
then `dpkg-deb -x FILE FOLDER/HOST`); each folder in it passes for a host. They are packed into WARC files of some 25 MB
of HTML as warcio does, with a Content-Type of HTTP. The peer is no dependency of cygnet; put it into an environment of
its own:

    python -m venv /tmp/peers && /tmp/peers/bin/pip install 'datatrove[io,processing]==0.10.1' spacy aiohttp requests \
        lxml_html_clean

datatrove runs the steps of its examples/fineweb.py without exclusion writers and without counting GPT-2's tokens, and
gets the model of languages that cygnet has, because it would fetch its own. Either is one process, and the child of its
own that parses HTML. CPU-seconds are those of a run from start to end, children included; memory is the most that all
its processes hold at a time (proportional set size, looked at every 0.2 s). Pages are the WARC's for cygnet, and those
that its reader gives for datatrove.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SHARD = 25_000_000  # bytes of HTML
_LID = "dl.fbaipublicfiles.com_fasttext_supervised-models_lid.176.bin"

_RECIPE = """
pii = ["email", "ip"]

[sources.pages]
kind = "warc"
path = "*.warc.gz"

[language]
keep = ["en"]

[quality]
preset = "fineweb-code"
"""


@dataclass(frozen=True)
class Used:
    """What a command took: seconds of the processor and of the clock, and bytes at most."""

    cpu: float
    wall: float
    memory: int


def pack(folder: Path, out: Path) -> tuple[int, int]:
    """Write the pages below `folder` as WARC files; how many, and their bytes."""
    from warcio.statusandheaders import StatusAndHeaders
    from warcio.warcwriter import WARCWriter

    pages, total, written, file = 0, 0, _SHARD, None
    for path in _pages(folder):
        data = path.read_bytes()
        if written >= _SHARD:
            if file is not None:
                file.close()
            file, written = (out / f"{total // _SHARD:03}.warc.gz").open("wb"), 0
            writer = WARCWriter(file, gzip=True)
        host, _, rest = path.relative_to(folder).as_posix().partition("/")
        http = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.1")
        url = f"http://{host}.test/{rest}"
        writer.write_record(writer.create_warc_record(url, "response", payload=io.BytesIO(data), http_headers=http))
        pages, total, written = pages + 1, total + len(data), written + len(data)
    if file is None:
        raise SystemExit(f"{folder} has no pages of HTML.")
    file.close()
    return pages, total


def _pages(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        known = any(suffix in (".html", ".htm", ".xhtml") for suffix in path.suffixes) and path.suffix != ".gz"
        if known and path.is_file() and not path.is_symlink():
            yield path


def used(command: Sequence[str], environment: dict[str, str], log: Path) -> Used:
    """Run a command to its end."""
    began, most = time.monotonic(), 0
    with log.open("wb") as file, subprocess.Popen(command, env=environment, stdout=file, stderr=file) as process:
        while True:
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            most = max(most, sum(map(_memory, _tree(process.pid))))
            time.sleep(0.2)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{log.read_text(errors='replace')[-2000:]}")
    return Used(usage.ru_utime + usage.ru_stime, time.monotonic() - began, most)


def _tree(process: int) -> list[int]:
    found = [process]
    for parent in found:
        try:
            for thread in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (thread / "children").read_text().split())
        except OSError:
            continue
    return found


def _memory(process: int) -> int:
    """Bytes, of shared pages its part."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:")), 0)


def by_cygnet(warcs: Path, out: Path, settings: Sequence[str] = ()) -> tuple[Used, dict[str, Any]]:
    """Build the corpus; what it took, and its stats."""
    recipe = warcs / "corpus.toml"
    recipe.write_text(_RECIPE)
    command = [sys.executable, "-m", "cygnet", "corpus", "build", str(recipe), *settings, "-o", str(out)]
    took = used([*command, "--workers", "1"], dict(os.environ), out.with_suffix(".log"))
    return took, json.loads((out / "stats.json").read_text())


def by_datatrove(python: str, warcs: Path, out: Path) -> tuple[Used, dict[str, Any]]:
    """Run the peer; what it took, and how many documents each step was given and passed on."""
    model = out.parent / "assets" / "datatrove" / "lid" / "ft176" / _LID
    model.parent.mkdir(parents=True, exist_ok=True)
    from cygnet.corpus.extraction.language import _bundled

    # its cache names a file by its address with the slashes replaced, and believes in it when a second file is there
    for name in (_LID, f"https:__{_LID}"):
        model.with_name(name).write_bytes(_bundled().read_bytes())
        model.with_name(f"{name}.completed").touch()
    environment = {**os.environ, "HF_ASSETS_CACHE": str(out.parent / "assets"), "HF_HUB_OFFLINE": "1"}
    took = used([python, __file__, "--peer", str(warcs), str(out)], environment, out.with_suffix(".log"))
    steps = {}
    for path in sorted(out.glob("logs/*/stats.json")):
        for step in json.loads(path.read_text()):
            steps[f"{path.parent.name}, {step['name']}"] = {
                name: value["total"] if isinstance(value, dict) else value for name, value in step["stats"].items()
            }
    return took, steps


def fineweb(warcs: str, out: str) -> None:
    """datatrove's examples/fineweb.py; runs under the peers' interpreter."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline import dedup, filters
    from datatrove.pipeline.extractors import Trafilatura
    from datatrove.pipeline.formatters import PIIFormatter
    from datatrove.pipeline.readers import JsonlReader, WarcReader
    from datatrove.pipeline.writers import JsonlWriter
    from datatrove.utils.hashing import HashConfig

    def run(name: str, steps: list[Any], tasks: int = 1) -> None:
        LocalPipelineExecutor(steps, tasks=tasks, workers=1, logging_dir=f"{out}/logs/{name}").run()

    run(
        "1 filter",
        [
            WarcReader(warcs, glob_pattern="*.warc.gz"),
            filters.URLFilter(),
            Trafilatura(favour_precision=True),
            filters.LanguageFilter(),
            filters.GopherRepetitionFilter(),
            filters.GopherQualityFilter(),
            filters.C4QualityFilter(filter_no_terminal_punct=False),
            filters.FineWebQualityFilter(),
            JsonlWriter(f"{out}/filtered"),
        ],
    )
    config = dedup.MinhashConfig(
        hash_config=HashConfig(hash_fc="sha1", precision=64), num_buckets=14, hashes_per_bucket=8, n_grams=5
    )
    run("2 sign", [JsonlReader(f"{out}/filtered"), dedup.MinhashDedupSignature(f"{out}/signed", config=config)])
    run("3 match", [dedup.MinhashDedupBuckets(f"{out}/signed", f"{out}/matched", config=config)], config.num_buckets)
    run("4 cluster", [dedup.MinhashDedupCluster(f"{out}/matched", f"{out}/removed", config=config)])
    run(
        "5 finish",
        [
            JsonlReader(f"{out}/filtered"),
            dedup.MinhashDedupFilter(f"{out}/removed"),
            PIIFormatter(),
            JsonlWriter(f"{out}/documents"),
        ],
    )


def _account(pages: int, stats: dict[str, Any]) -> None:
    """Print what became of each page, by cygnet."""
    (source,) = stats["by_source"].values()
    dropped, skipped = sum(source["dropped"].values()), sum(source["skipped"].values())
    kept = source["kept"]
    print(
        f"cygnet read {source['read']} of {pages} pages: kept {kept}, dropped {dropped} {source['dropped']}, "
        f"skipped {skipped} {source['skipped']}; unaccounted for: {pages - kept - dropped - skipped}"
    )


def _account_theirs(pages: int, steps: dict[str, Any]) -> int:
    """Print the same by datatrove's own stats; the pages that its reader gave."""
    for name, counts in steps.items():
        told = {key: value for key, value in counts.items() if key not in ("time", "doc_len", "value_doc_len")}
        print(f"  datatrove, {name}: {told}")
    given = next(int(counts["documents"]) for name, counts in steps.items() if "Warc" in name)
    print(f"datatrove read {given} of {pages} pages; unaccounted for: {pages - given} and what its steps don't tell")
    return given


def main(python: str, folder: Path, rounds: int = 1) -> None:
    """Run both in turn and print what they took."""
    with tempfile.TemporaryDirectory() as scratch:
        warcs = Path(scratch) / "warcs"
        warcs.mkdir()
        pages, size = pack(folder, warcs)
        print(f"{pages} pages, {size / 1e6:.1f} MB of HTML, {len(list(warcs.iterdir()))} WARC files; rounds: {rounds}")
        rates, shares = [], []
        for number in range(rounds):
            ours, stats = by_cygnet(warcs, Path(scratch) / f"ours{number}")
            theirs, steps = by_datatrove(python, warcs, Path(scratch) / f"theirs{number}")
            if not number:
                _account(pages, stats)
                given = _account_theirs(pages, steps)
                print("\n| | CPU-seconds | pages a CPU-second | MB of HTML a CPU-second | memory, MiB |")
                print("| --- | --- | --- | --- | --- |")
            for name, took, read in (("cygnet", ours, pages), ("datatrove", theirs, given)):
                rate = f"{read / took.cpu:.1f} | {size / 1e6 * read / pages / took.cpu:.2f}"
                print(f"| {name} | {took.cpu:.1f} | {rate} | {took.memory >> 20} |", flush=True)
            rates.append(pages / ours.cpu / (given / theirs.cpu))
            shares.append(theirs.memory / ours.memory)
        for name, found in (("pages a CPU-second", rates), ("memory, datatrove over cygnet", shares)):
            print(f"{name}: {statistics.median(found):.1f} times ({min(found):.1f} to {max(found):.1f})")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        fineweb(*sys.argv[2:4])
    elif len(sys.argv) < 3:
        raise SystemExit(__doc__)
    else:
        main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:4]))
