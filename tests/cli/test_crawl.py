import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks" / "data"
PAGES = 60


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Pages that lead to one another, and that take a little."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from loopback_site import Answer, Site

    def answer(path: str, _: Mapping[str, str]) -> Answer:
        if path == "/robots.txt":
            return Answer(b"", 404)
        time.sleep(0.01)
        return Answer("".join(f"<a href=/{number}>" for number in range(1, PAGES)).encode())

    with Site(answer).running() as site:
        yield site


def started(site: Any, out: Path) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "cygnet",
        "crawl",
        site.url,
        "--allow-private",
        "--delay",
        "0.02",
        "--out",
        str(out),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until_asked(site: Any, number: int) -> None:
    end = time.monotonic() + 600
    while len(site.log) < number and time.monotonic() < end:
        time.sleep(0.005)


def test_ctrl_c_ends_what_is_under_way_and_says_how_to_go_on(site: Any, tmp_path: Path) -> None:
    out = tmp_path / "crawl"
    with started(site, out) as process:
        until_asked(site, 10)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=600)
    assert process.returncode == 130
    assert said.rstrip().endswith(
        f"To go on where it stopped: cygnet crawl {site.url} --allow-private --delay 0.02 --out {out}"
    )
    report = json.loads((out / "crawl.json").read_text())
    assert report["ended_by"] == "interrupted"
    assert report["pages"] == len(site.log) - 1
    with started(site, out) as process:
        printed, _ = process.communicate(timeout=600)
    assert process.returncode == 0
    assert f"{PAGES} pages in 1 WARC file" in printed
    assert len(site.log) == PAGES + 1


def test_a_killed_crawl_goes_on_and_asks_for_no_stored_page_again(site: Any, tmp_path: Path) -> None:
    out = tmp_path / "crawl"
    for number in (8, 20, 35):
        with started(site, out) as process:
            until_asked(site, number)
            os.kill(process.pid, signal.SIGKILL)
    with started(site, out) as process:
        printed, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    assert f"{PAGES} pages in 1 WARC file" in printed
    assert json.loads((out / "crawl.json").read_text())["outcomes"] == {"stored": PAGES}
    assert {asked.path for asked in site.log} == {"/robots.txt", "/", *(f"/{number}" for number in range(1, PAGES))}
    assert len(site.log) <= PAGES + 1 + 3 + 3  # what was in flight at a kill, robots.txt perhaps


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["crawl", "--contact", "a@b.c"], "say where to begin"),
        (["crawl", "http://example.org"], "--contact you@example.org"),
        (["crawl", "ftp://example.org", "--contact", "a@b.c"], "'ftp://example.org' is not a web address"),
        (["crawl", "notaurl", "--contact", "a@b.c"], "'notaurl' is not a web address: write it as https://"),
        (["crawl", "notaurl/pages.html", "--contact", "a@b.c"], "'notaurl/pages.html' is not a web address"),
        (["crawl", "example.org", "--contact", "a@b.c", "--host", "a b"], "--host 'a b' is not a host"),
        (["crawl", "example.org", "--contact", "a@b.c", "--pages", "0"], "pages must be more than 0"),
        (["crawl", "example.org", "--contact", "a@b.c", "--delay", "-1"], "delay can't be less than 0"),
        (["crawl", "http://127.0.0.1:9/", "--contact", "a@b.c", "--out", "new"], "127.0.0.1 is 127.0.0.1, a private"),
        (["crawl", "http://127.0.0.1:9/", "--contact", "a@b.c", "--out", "file"], "file can't be a folder"),
        (
            ["crawl", "http://127.0.0.1:9/", "--contact", "a@b.c", "--out", "odd"],
            "odd/frontier.sqlite is not the frontier",
        ),
    ],
)
def test_mistakes_are_one_sentence(
    cygnet: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("odd").mkdir()
    Path("odd/frontier.sqlite").write_text("no database" * 100)
    done = cygnet(*arguments)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
