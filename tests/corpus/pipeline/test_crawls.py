"""Sources that are crawled by the build itself."""

import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest

from cygnet.corpus.crawl import pydoc_site
from cygnet.corpus.pipeline.build import build
from cygnet.corpus.pipeline.crawls import crawl_sources
from cygnet.corpus.pipeline.engines.local import Local
from cygnet.corpus.pipeline.load import load_corpus_recipe
from cygnet.corpus.pipeline.look import documents
from cygnet.corpus.pipeline.progress import Printed
from cygnet.corpus.reading.config import PydocSource
from cygnet.errors import UserError

BENCHMARKS = Path(__file__).parents[3] / "benchmarks" / "data"
WORDS = "the swan swims over a calm lake to that old mill where people have bread for every bird that comes".split()


class Swans:
    """A site of twenty pages, each leading to the next, on loopback; `pages` may be changed."""

    def __init__(self) -> None:
        rng = Random(1)
        texts = [" ".join(rng.choices(WORDS, k=60)) for _ in range(20)]
        self.pages: dict[str, Any] = {
            f"/{number or ''}": f'<title>{number}</title><p>{text}.</p><a href="/{number + 1}">on</a>'.encode()
            for number, text in enumerate(texts)
        }
        self.asked: list[str] = []

    def answer(self, path: str, _: Mapping[str, str]) -> Any:
        import loopback_site

        self.asked.append(path)
        page = self.pages.get(path)
        if isinstance(page, bytes):
            return loopback_site.Answer(page, headers={"Content-Type": "text/html"})
        return page or loopback_site.Answer(b"not here", 404)


@pytest.fixture
def swans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Swans]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import loopback_site

    with ExitStack() as stack:
        swans = Swans()
        swans.url = stack.enter_context(loopback_site.Site(swans.answer).running()).url  # type: ignore[attr-defined]
        yield swans


def run(tmp_path: Path, swans: Any, *settings: str, more: str = "") -> dict[str, Any]:
    path = tmp_path / "corpus.toml"
    site = f'kind = "site"\nstart = "{swans.url}/"\nallow_private = true\ndelay = 0.0\n{more}'
    path.write_text(f"heldout = 0.2\n[dedup]\nlines = false\n[sources.swans]\n{site}\n")
    recipe = load_corpus_recipe(path, settings)
    # a part: which of so few pages are held out depends on their address, and with it on the port
    return build(recipe, tmp_path, tmp_path / "corpus", Local(1), lambda *_: None, part=True)


def test_a_site_is_crawled_once_and_read_in_the_order_of_its_addresses(swans: Swans, tmp_path: Path) -> None:
    stats = run(tmp_path, swans)
    assert stats["by_source"]["swans"]["kept"] == 20
    found = [row["url"] for row in documents(tmp_path / "corpus")]
    assert found == sorted(found)
    asked = list(swans.asked)
    run(tmp_path, swans, "heldout=0.3")
    assert swans.asked == asked


def test_a_crawl_with_a_higher_bound_goes_on(swans: Swans, tmp_path: Path) -> None:
    assert run(tmp_path, swans, more="pages = 15")["kept"] == 15
    assert run(tmp_path, swans, more="pages = 18")["kept"] == 18
    assert swans.asked.count("/3") == 1


def test_a_crawl_repeated_by_hand_is_read_with_its_newest_pages(swans: Swans, tmp_path: Path) -> None:
    from cygnet.corpus.crawl import CrawlSettings, crawl

    run(tmp_path, swans)
    swans.pages["/3"] = b'<title>3</title><p>A new swan, unlike the others that were here.</p><a href="/4">on</a>'
    crawl([f"{swans.url}/"], tmp_path / "corpus/crawl/swans", CrawlSettings(delay=0, allow_private=True), False)
    asked = list(swans.asked)
    stats = run(tmp_path, swans)
    assert swans.asked == asked
    assert stats["by_source"]["swans"]["skipped"] == {"older_fetch": 1}
    (changed,) = (row["text"] for row in documents(tmp_path / "corpus") if row["url"].endswith("/3"))
    assert changed.startswith("A new swan")


def test_a_site_that_wants_to_be_left_alone_is_told(swans: Swans, tmp_path: Path) -> None:
    import loopback_site

    swans.pages["/7"] = loopback_site.Answer(b"later", 503, {"Retry-After": "99999"})
    with pytest.raises(UserError, match=r"source swans: the crawl is not finished(?s:.*)left alone"):
        run(tmp_path, swans)
    assert not (tmp_path / "corpus/stats.json").exists()


def test_a_wrong_site_is_told_with_its_key(tmp_path: Path) -> None:
    path = tmp_path / "corpus.toml"
    path.write_text('[sources.a]\nkind = "site"\nstart = "https://a.test"\n')
    with pytest.raises(UserError, match=r"sources\.a(?s:.*)say who is crawling"):
        load_corpus_recipe(path)
    path.write_text('[sources.a]\nkind = "site"\nstart = "notaurl"\ncontact = "a@b.c"\n')
    with pytest.raises(UserError, match=r"sources\.a(?s:.*)'notaurl' is not a web address: write it as https://"):
        load_corpus_recipe(path)


def test_crawls_are_counted_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    printed = Printed()
    printed("crawl", 1, 1)
    printed("read", 2, 2)
    assert [line.split()[-4:-2] for line in capsys.readouterr().err.splitlines()] == [
        ["1/1", "crawls"],
        ["2/2", "shards"],
    ]


def test_pydoc_is_crawled_once_for_each_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = ("/[!jit]*", "/i[!n]*", "/in[!d]*", "/t[!o]*", "/to[!p]*", "/topic[?]key=[!F]*")
    crawls, crawl = [], pydoc_site.crawl
    monkeypatch.setattr(pydoc_site, "excluded", lambda excluded=pydoc_site.excluded: (*excluded(), *few))
    monkeypatch.setattr(pydoc_site, "crawl", lambda *told: (crawls.append(told), crawl(*told))[1])
    path = tmp_path / "corpus.toml"
    path.write_text('heldout = 0.3\n[sources.web]\nkind = "pydoc"\n[dedup]\nnear = false\nlines = false\n')

    def built(out: str) -> bytes:
        build(load_corpus_recipe(path), tmp_path, tmp_path / out, Local(1), lambda *_: None)
        return (tmp_path / out / "documents/web/00000.parquet").read_bytes()

    (tmp_path / "one/crawl/.web.writing-1").mkdir(parents=True)  # of a process that was killed
    one = built("one")
    assert not (tmp_path / "one/crawl/.web.writing-1").exists()
    assert built("one") == one
    assert len(crawls) == 1
    assert built("two") == one
    assert len(crawls) == 2
    monkeypatch.setattr(platform, "python_version", lambda: "3.99.0")
    built("two")
    assert len(crawls) == 3
    assert sys.executable not in str([row["text"] for row in documents(tmp_path / "two")])


def test_the_crawl_of_a_site_is_not_replaced_by_pydocs(tmp_path: Path) -> None:
    folder = tmp_path / "corpus/crawl/pages"
    folder.mkdir(parents=True)
    (folder / "crawl.json").write_text("{}")
    with pytest.raises(UserError, match="holds the crawl of a site"):
        crawl_sources({"pages": PydocSource(kind="pydoc")}, tmp_path / "corpus", lambda *_: None)
    assert (folder / "crawl.json").exists()
