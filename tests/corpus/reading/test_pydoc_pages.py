"""The pages that this Python's pydoc serves of a few modules and topics, crawled twice."""

import gzip
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cygnet.corpus.crawl import pydoc_site
from cygnet.corpus.crawl.report import CrawlSummary
from cygnet.corpus.reading.config import PydocSource
from cygnet.corpus.reading.shards import list_shards, read_shard
from cygnet.corpus.records import Record, Skipped
from cygnet.errors import UserError

# only index, topics, os, json and its modules, jester, and topics that begin with F or C
FEW = ("/[!jito]*", "/i[!n]*", "/in[!d]*", "/t[!o]*", "/to[!p]*", "/o[!s]*", "/topic[?]key=[!FC]*")
SECRET = "a-secret-of-the-environment"  # noqa: S105
PYDOC = PydocSource(kind="pydoc")


@pytest.fixture(scope="module")
def crawls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[Any]]:
    """Two crawls, and the servers that were started; where they began lies a module that writes a file."""
    with pytest.MonkeyPatch.context() as patch:
        here = tmp_path_factory.mktemp("crawls")
        (here / "jester.py").write_text("import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n")
        servers, popen = [], subprocess.Popen

        def started(*told: Any, **how: Any) -> Any:
            servers.append(popen(*told, **how))
            return servers[-1]

        patch.chdir(here)
        patch.setenv("A_SECRET", SECRET)
        patch.setattr(pydoc_site, "excluded", lambda excluded=pydoc_site.excluded: (*excluded(), *FEW))
        patch.setattr(subprocess, "Popen", started)
        folders = here / "one", here / "two"
        for folder in folders:
            pydoc_site.crawl_pydoc(folder)
    return (*folders, servers)


def read(folder: Path, extract: Any, config: PydocSource = PYDOC) -> list[Record | Skipped]:
    (shard,) = list_shards(config, Path(), folder)
    return list(read_shard("web", config, shard, extract))


def records(folder: Path, extract: Any) -> dict[str, Record]:
    return {item.url: item for item in read(folder, extract) if isinstance(item, Record)}


def test_two_crawls_give_the_same_records(crawls: Any, extract: Any) -> None:
    one, two, _ = crawls
    assert (one / "crawl.json").read_text() != (two / "crawl.json").read_text()  # another port
    assert read(one, extract) == read(two, extract)


def test_each_text_is_a_piece_of_a_page_under_its_title(crawls: Any, extract: Any) -> None:
    found = records(crawls[0], extract)
    assert all(url.startswith("http://pydoc.localhost/") for url in found)
    assert max(len(record.text) for record in found.values()) <= 1000
    first = found["http://pydoc.localhost/json.encoder.html#0"]
    assert first.text.startswith("module json.encoder\n\nImplementation of JSONEncoder\n\nclass JSONEncoder(")
    assert first.metadata == {"title": "module json.encoder", "origin": "json.encoder", "unit": "json"}
    whole = "\n".join(record.text for record in found.values())
    assert "\n\niterencode(self, o, _one_shot=False)\nEncode the given object and yield each string\n" in whole
    assert "    for chunk in JSONEncoder().iterencode(bigobject):\n        mysocket.write(chunk)" in whole
    topic = found["http://pydoc.localhost/topic?key=FLOAT#0"]
    assert topic.text.startswith("TOPIC FLOAT\n\nFloating point literals\n***")
    assert topic.metadata["unit"] == "reference/floating"
    assert found["http://pydoc.localhost/os.html#0"].metadata["unit"] == "os"


def test_what_is_the_machines_or_another_pages_is_left_out(crawls: Any, extract: Any) -> None:
    whole = "\n".join(record.text for record in records(crawls[0], extract).values())
    for strange in (
        "Methods inherited",
        "Method resolution order",
        "Data and other",
        "Module Index",
        "Related help topics",
        "dictionary for instance variables",
        "localhost:",
        sys.prefix,
        os.path.dirname(os.__file__),  # noqa: PTH120
        "environ = ",
        "\t",
    ):
        assert strange not in whole


def test_only_documentation_is_asked_for(crawls: Any, extract: Any) -> None:
    pages = {url.partition("#")[0].removeprefix("http://pydoc.localhost/") for url in records(crawls[0], extract)}
    assert {"json.html", "json.decoder.html", "os.html", "topic?key=CALLS"} <= pages
    assert not {"topic?key=CONDITIONAL", "topic?key=float", "this.html", "keywords.html"} & pages
    skipped = {
        item.url.rpartition("/")[2]: item.reason for item in read(crawls[0], extract) if isinstance(item, Skipped)
    }
    assert skipped["index.html"] == skipped["topics.html"] == "index_page"


def test_neither_the_folder_it_is_begun_in_nor_the_environment_is_read(crawls: Any) -> None:
    one, _, _ = crawls
    assert not (one.parent / "ran").exists()
    assert "jester" not in (one / "urls.jsonl").read_text()
    (archive,) = one.glob("*.warc.gz")
    assert SECRET.encode() not in gzip.decompress(archive.read_bytes())


def test_the_server_ends_with_the_crawl(crawls: Any) -> None:
    servers = crawls[2]
    assert len(servers) == 2
    assert all(server.returncode is not None for server in servers)


def test_texts_are_as_long_as_asked_for(crawls: Any, extract: Any) -> None:
    config = PydocSource(kind="pydoc", most_characters=5000)
    long = [item for item in read(crawls[0], extract, config) if isinstance(item, Record)]
    assert 1000 < max(len(record.text) for record in long) <= 5000
    assert len(long) < len(records(crawls[0], extract))


def test_pydoc_that_does_not_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydoc_site, "_COMMAND", [sys.executable, "-c", "raise SystemExit('no pydoc here')"])
    with pytest.raises(UserError, match="does not serve its pages: no pydoc here"):
        pydoc_site.crawl_pydoc(tmp_path / "web")
    assert list(tmp_path.iterdir()) == []


class Crawl:
    """In place of the crawler, which has tests of its own: it is interrupted at first, and then done."""

    def __init__(self) -> None:
        self.starts: list[str] = []
        self.found: list[bool] = []  # whether what was fetched before was there
        self.ended_by = iter(("interrupted", "done", "done"))

    def __call__(self, starts: list[str], folder: Path, _: Any) -> CrawlSummary:
        self.starts.append(starts[0])
        self.found.append((folder / "page").exists())
        (folder / "page").touch()
        if (ended_by := next(self.ended_by)) == "interrupted":
            raise KeyboardInterrupt
        return CrawlSummary(str(folder), 7, {}, {}, [], 0, 7, 1.0, 0, ended_by)


@pytest.fixture
def crawl(monkeypatch: pytest.MonkeyPatch) -> Crawl:
    crawl = Crawl()
    monkeypatch.setattr(pydoc_site, "crawl", crawl)
    return crawl


def test_an_interrupted_crawl_is_gone_on_with(tmp_path: Path, crawl: Crawl) -> None:
    with pytest.raises(KeyboardInterrupt):
        pydoc_site.crawl_pydoc(tmp_path / "web", {"python.json": {"python": "3"}})
    assert not (tmp_path / "web").exists()
    assert pydoc_site.crawl_pydoc(tmp_path / "web", {"python.json": {"python": "3"}}) == 7
    assert crawl.found == [False, True]
    assert crawl.starts[0] == crawl.starts[1]  # the pages' addresses are the same
    assert {path.name for path in (tmp_path / "web").iterdir()} == {"page", "python.json"}
    assert list(tmp_path.iterdir()) == [tmp_path / "web"]


@pytest.mark.parametrize("why", ["another Python", "another has the port"])
def test_what_cannot_be_gone_on_with_is_begun_anew(tmp_path: Path, crawl: Crawl, why: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        pydoc_site.crawl_pydoc(tmp_path / "web", {"python.json": {"python": "3"}})
    version = "4" if why == "another Python" else "3"
    with socket.socket() as other:
        if why == "another has the port":
            other.bind(("localhost", urlsplit(crawl.starts[0]).port))
            other.listen()
        pydoc_site.crawl_pydoc(tmp_path / "web", {"python.json": {"python": version}})
    assert crawl.found == [False, False]


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"notes": {"python.json": {"python": "3"}}, "port": "x"}'])
def test_a_note_that_is_damaged_is_begun_anew(tmp_path: Path, crawl: Crawl, note: str) -> None:
    notes = {"python.json": {"python": "3"}}
    with pytest.raises(KeyboardInterrupt):
        pydoc_site.crawl_pydoc(tmp_path / "web", notes)
    (written,) = tmp_path.glob(".*/begun.json")
    written.write_text(note)
    assert pydoc_site.crawl_pydoc(tmp_path / "web", notes) == 7
    assert crawl.found == [False, False]


def test_modules_and_topics_that_are_no_documentation_are_excluded() -> None:
    from cygnet.corpus.crawl.urls import excluded_by

    globs = pydoc_site.excluded()
    for path in (
        "antigravity.html",
        "this.html",
        "test.support.html",
        "unittest.test.html",
        "idlelib.html",
        "encodings.utf_8.html",
        "venv.__main__.html",
        "_thread.html",
        "__main__.html",
        "search?key=x",
        "get?key=x",
        "getfile?key=x",
        "topic?key=if",
        "topic?key=CONDITIONAL",
        "topic?key=UNICODE",
        "keywords.html",
    ):
        assert excluded_by(f"http://localhost:1/{path}", globs), path
    for path in ("__future__.html", "json.html", "unittest.html", "topic?key=FLOAT", "topic?key=STRINGS", "index.html"):
        assert not excluded_by(f"http://localhost:1/{path}", globs), path
