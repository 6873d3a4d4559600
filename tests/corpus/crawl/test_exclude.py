from pathlib import Path
from typing import Any

import pytest

from cygnet.cli.main import run_command
from cygnet.corpus.crawl import CrawlSettings
from cygnet.corpus.crawl.urls import excluded_by
from cygnet.errors import UserError
from cygnet.files import read_json


def links(*targets: str) -> bytes:
    return b"<!doctype html><html><body>" + b"".join(f'<a href="{t}">{t}</a>'.encode() for t in targets)


PAGES = {"/": links("/a", "/old/1", "/old/2", "/b?sort=up", "/b?page=2")} | {
    path: links("/old/3") for path in ("/a", "/old/1", "/old/2", "/old/3", "/b?sort=up", "/b?page=2")
}


@pytest.mark.parametrize(
    ("url", "globs", "by"),
    [
        ("http://a.b/old/1", ("/new/*", "/old/*"), "/old/*"),
        ("http://a.b/old", ("/old/*",), None),
        ("http://a.b/x?sort=up&page=1", ("*[?]sort=*",), "*[?]sort=*"),
        ("http://a.b/OLD/1", ("/old/*",), None),
        ("http://a.b/", ("/",), "/"),
        ("http://a.b/x", ("/",), None),
        ("http://a.b/old/1", (), None),
    ],
)
def test_a_glob_is_matched_with_the_whole_of_path_and_query(url: str, globs: tuple[str, ...], by: str | None) -> None:
    assert excluded_by(url, globs) == by


def test_what_a_glob_matches_is_not_asked_for_and_counted(serve: Any, run: Any) -> None:
    site = serve(PAGES)
    found = run(site.url, exclude=("/old/*", "*sort=*"))
    assert {url.removeprefix(site.url): row["outcome"] for url, row in found.rows.items()} == {
        "/": "stored",
        "/a": "stored",
        "/b?page=2": "stored",
        "/b?sort=up": "excluded",
        "/old/1": "excluded",
        "/old/2": "excluded",
        "/old/3": "excluded",
    }
    assert found.detail(f"{site.url}/old/1") == "/old/*"
    assert not any(site.asked(path) for path in ("/old/1", "/old/2", "/old/3", "/b?sort=up"))
    assert "4  excluded: matched by --exclude\n           3 /old/*" in found.summary.in_words()


def test_a_crawl_goes_on_under_the_globs_it_has_now(serve: Any, run: Any) -> None:
    site = serve(PAGES)
    run(site.url, pages=1, exclude=("/a",))
    found = run(site.url, exclude=("/old/*",))
    assert (found[f"{site.url}/a"], found[f"{site.url}/old/1"]) == ("stored", "excluded")
    assert (site.asked("/"), site.asked("/old/1")) == (1, 0)


def test_a_glob_that_can_match_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="'old/\\*' can match nothing"):
        CrawlSettings(contact="me@example.org", exclude=("old/*",))


def test_on_the_command_line_it_is_given_once_for_each(serve: Any, tmp_path: Path) -> None:
    site, out = serve(PAGES), tmp_path / "crawl"
    told = ["--allow-private", "--delay", "0", "--exclude", "/old/*", "--exclude", "/b*", "-o", str(out)]
    assert run_command(["crawl", site.url, *told]) == 0
    report = read_json(out / "crawl.json")
    assert (report["pages"], report["outcomes"]["excluded"]) == (2, 5)
    assert report["bounds"]["exclude"] == ["/b*", "/old/*"]
