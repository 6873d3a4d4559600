"""Pages per CPU-second of reading, extraction and language identification, and the most memory they took.

python benchmarks/data/reading.py [WARC or FOLDER of HTML]

Without an argument: the pages that pydoc makes of the standard library. A folder is packed into a WARC first, since
that is what a crawl leaves. CPU time is this process's and that of the child which parses; memory is told apart.
"""

import importlib
import io
import pydoc
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from cygnet.corpus.extraction.isolated import IsolatedExtractor, extract_here
from cygnet.corpus.extraction.language import identify
from cygnet.corpus.reading.config import WarcSource
from cygnet.corpus.reading.warc import read_pages
from cygnet.corpus.reading.warc_file import WarcEntry, read_warc
from cygnet.corpus.records import Record

_MOST_BYTES = 10_000_000


def pydoc_pages() -> Iterator[tuple[str, bytes]]:
    """A page of HTML for each module of the standard library that has a public name and can be imported."""
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        name = path.stem
        if name.startswith("_") or name in ("antigravity", "this", "idlelib"):
            continue
        try:
            module = importlib.import_module(name)
            yield name, pydoc.html.page(pydoc.describe(module), pydoc.html.document(module, name)).encode()
        except (ImportError, AttributeError):
            continue


def folder_pages(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every HTML file below a folder."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".html", ".htm", ".xhtml") and path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def write_warc(path: Path, pages: Iterator[tuple[str, bytes]]) -> None:
    """Pack pages as a server would have answered them."""
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        for name, data in pages:
            http = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.1")
            url = f"http://docs.test/{name}"
            writer.write_record(writer.create_warc_record(url, "response", payload=io.BytesIO(data), http_headers=http))


def cpu_seconds() -> float:
    """Of this process and of those children that have ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def report(step: str, pages: int, megabytes: float, seconds: float) -> None:
    """One line."""
    print(
        f"{step:34} {seconds:8.2f} CPU-s {pages / seconds:10.0f} pages/CPU-s {megabytes / seconds:8.1f} MB/CPU-s",
        flush=True,
    )


def measure(warc: Path) -> None:
    """Read the same file three times, each time doing more."""
    config = WarcSource(kind="warc", path=(str(warc),), most_bytes=_MOST_BYTES)
    began = cpu_seconds()
    entries = sizes = 0
    for entry in read_warc(warc, _MOST_BYTES):
        if isinstance(entry, WarcEntry) and entry.kind == "response":
            entries, sizes = entries + 1, sizes + entry.length
    megabytes = sizes / 1e6
    print(f"{entries} pages, {megabytes:.1f} MB of HTML, {warc.stat().st_size / 1e6:.1f} MB of WARC")
    report("reading", entries, megabytes, cpu_seconds() - began)

    began = cpu_seconds()
    records = sum(isinstance(item, Record) for item in read_pages("here", warc, config, extract_here))
    report("reading and extraction", entries, megabytes, cpu_seconds() - began)

    began, wall = cpu_seconds(), time.perf_counter()
    skipped: Counter[str] = Counter()
    characters = isolated = 0
    identifying = 0.0
    languages: Counter[str] = Counter()
    with IsolatedExtractor() as extract:
        for item in read_pages("here", warc, config, extract):
            if isinstance(item, Record):
                isolated, characters = isolated + 1, characters + len(item.text)
                started = time.process_time()
                languages[identify(item.text)[0]] += 1
                identifying += time.process_time() - started
            else:
                skipped[item.reason] += 1
    everything = cpu_seconds() - began
    report("the same, parsing in a child", entries, megabytes, everything - identifying)
    report("language identification", isolated, characters / 1e6, identifying)
    report("all", entries, megabytes, everything)
    assert isolated == records
    print(
        f"{time.perf_counter() - wall:.1f} s on the clock; {isolated} texts, {characters / 1e6:.1f} M characters, "
        f"skipped {dict(skipped)}, {isolated + skipped.total()} of {entries} accounted for"
    )
    print(f"languages {languages.most_common(6)}")
    own, child = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"most memory: {own:.0f} MiB, of the child {child:.0f} MiB")


def main(given: str) -> None:
    """Measure what was named, or pydoc's pages."""
    if Path(given).is_file():
        measure(Path(given))
        return
    with tempfile.TemporaryDirectory() as folder:
        warc = Path(folder) / "pages.warc.gz"
        # in a process of its own, whose memory is not counted
        subprocess.run([sys.executable, __file__, given, str(warc)], check=True)
        measure(warc)


def pack(given: str, warc: Path) -> None:
    """Write the WARC that is measured."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_warc(warc, folder_pages(Path(given)) if given else pydoc_pages())


if __name__ == "__main__":
    if len(sys.argv) > 2:
        pack(sys.argv[1], Path(sys.argv[2]))
    else:
        main(sys.argv[1] if len(sys.argv) > 1 else "")
