"""A site that each test makes up, and a crawl of it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cygnet.corpus.crawl import CrawlSettings, crawl
from cygnet.corpus.crawl.report import CrawlSummary
from cygnet.files import read_jsonl

BENCHMARKS = Path(__file__).parents[3] / "benchmarks" / "data"


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import loopback_site

    return loopback_site


@pytest.fixture
def serve(loopback: ModuleType) -> Iterator[Callable[..., Any]]:
    """Serve pages: a path's bytes, its whole answer, or a function of the request's headers that gives one."""
    with ExitStack() as sites:

        def serve(pages: Mapping[str, Any]) -> Any:
            def answer(path: str, headers: Mapping[str, str]) -> Any:
                page = pages.get(path)
                page = page(headers) if callable(page) else page
                if page is None:
                    return loopback.Answer(b"not here", 404)
                return loopback.Answer(page) if isinstance(page, bytes) else page

            return sites.enter_context(loopback.Site(answer).running())

        yield serve


class Crawled:
    """What came of a crawl: the summary, and each address with its outcome."""

    def __init__(self, summary: CrawlSummary, out: Path) -> None:
        self.summary, self.rows = summary, {str(row["url"]): row for row in read_jsonl(out / "urls.jsonl")}
        assert len(self.rows) == sum(summary.outcomes.values())

    def __getitem__(self, url: str) -> str:
        return str(self.rows[url]["outcome"])

    def detail(self, url: str) -> str:
        return str(self.rows[url]["detail"])


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Crawled]:
    """Crawl into tmp_path/crawl, without pauses worth mentioning."""

    def run(*starts: str, **settings: Any) -> Crawled:
        chosen = CrawlSettings(**{"delay": 0.005, "allow_private": True, **settings})
        return Crawled(crawl(starts, tmp_path / "crawl", chosen, progress=False), tmp_path / "crawl")

    return run
