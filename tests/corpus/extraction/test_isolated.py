import os
import signal
from collections.abc import Iterator

import pytest

from cygnet.corpus.extraction import isolated
from cygnet.corpus.extraction.isolated import IsolatedExtractor
from cygnet.corpus.extraction.page import HTML, PDF, ExtractionOptions, Page, Unreadable
from cygnet.errors import UserError

GOOD = b"<html><head><title>T</title></head><body><main><p>Good.</p></main></body></html>"


@pytest.fixture
def extract() -> Iterator[IsolatedExtractor]:
    with IsolatedExtractor() as extractor:
        yield extractor


def process_of(extractor: IsolatedExtractor) -> int:
    assert extractor._child is not None
    return extractor._child.pid


def test_one_child_reads_page_after_page(extract: IsolatedExtractor) -> None:
    pages = [extract(GOOD, HTML)]
    first = process_of(extract)
    pages += [
        extract(GOOD.replace(b"Good", "Gut – 日本".encode()), HTML, "utf-8"),
        extract(b"%PDF", PDF),
        extract(b"", HTML),
    ]
    assert pages[:2] == [Page("Good.", "T"), Page("Gut – 日本.", "T")]
    assert [page.reason for page in pages[2:] if isinstance(page, Unreadable)] == ["parser_error", "no_text"]
    assert process_of(extract) == first


def test_a_page_that_hangs_the_parser_is_told_and_the_next_is_read() -> None:
    with IsolatedExtractor(seconds=1.0) as extract:
        found = extract(b"<div>" * 200_000 + b"x", HTML)
        assert found == Unreadable("parser_timeout", "more than 1.0 s of CPU time")
        assert extract(GOOD, HTML) == Page("Good.", "T")


def test_a_page_that_crashes_the_parser_is_told_and_the_next_is_read(extract: IsolatedExtractor) -> None:
    extract(GOOD, HTML)
    os.kill(process_of(extract), signal.SIGSEGV)
    assert extract(GOOD, HTML) == Unreadable("parser_crashed", "signal 11, SIGSEGV")
    assert extract(GOOD, HTML) == Page("Good.", "T")


def test_a_page_that_takes_all_memory_is_told_and_the_next_is_read() -> None:
    with IsolatedExtractor(memory=200 << 20) as extract:
        found = extract(b"<p>" + b"x" * (150 << 20), HTML)
        assert isinstance(found, Unreadable)
        assert found.reason in ("parser_crashed", "parser_error")
        assert extract(GOOD, HTML) == Page("Good.", "T")


def test_closing_ends_the_child(extract: IsolatedExtractor) -> None:
    extract(GOOD, HTML)
    child = process_of(extract)
    extract.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    extract.close()


def test_an_extractor_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"trafilatura is not installed, or not whole: pip install 'cygnet\[trafilatura\]'"
    ):
        IsolatedExtractor(ExtractionOptions("trafilatura"))
