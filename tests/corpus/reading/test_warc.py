import gzip
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import brotli
import pytest

from cygnet.corpus.reading.config import WarcSource
from cygnet.corpus.reading.warc import read_pages
from cygnet.corpus.reading.warc_file import Damage, read_warc
from cygnet.corpus.records import Record, Skipped

HTML = [("Content-Type", "text/html")]
PAGE = b"<html><head><title>A  title</title></head><body><main><p>Some words here.</p></main></body></html>"


def read(path: Path, data: bytes, extract: Any, **settings: Any) -> list[Record | Skipped]:
    path.write_bytes(data)
    return [*read_pages("web", path, WarcSource(kind="warc", path=(str(path),), **settings), extract)]


def letters(path: Path, data: bytes) -> str:
    """What is read of a file: a digit for each page, w for warcinfo, D for damage."""
    path.write_bytes(data)
    found = (*read_warc(path, 10_000_000),)
    return "".join("D" if isinstance(entry, Damage) else (entry.url[-1:] or "w") for entry in found)


def test_a_page_is_a_record_with_what_is_known_of_it(tmp_path: Path, make_warc: Any, extract: Any) -> None:
    headers = [("Content-Type", "text/html; charset=ISO-8859-1")]
    page = PAGE.replace(b"Some", b"Caf\xe9")
    data, _ = make_warc([("response", "200 OK", headers, page)])
    (record,) = read(tmp_path / "a.warc.gz", data, extract)
    assert isinstance(record, Record)
    assert (record.source, record.url, record.text) == ("web", "http://site.test/0", "Café words here.")
    date = record.metadata["date"]
    assert record.metadata == {"title": "A title", "charset": "cp1252", "content_type": "text/html", "date": date}
    assert date.startswith("20")


def test_html_is_known_by_its_header_or_its_beginning_and_nothing_else(
    tmp_path: Path, make_warc: Any, extract: Any
) -> None:
    xhtml = (
        b'<?xml version="1.0"?>\n<!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><body><p>X</p></body></html>'
    )
    pages = [
        ("application/xhtml+xml", xhtml, "X"),
        ("application/xml", xhtml, "X"),
        ("text/html", b"<script>var x</script><p>only a piece</p>", "only a piece"),
        ("", PAGE, "Some words here."),
        ("text/html", b"\x89PNG\r\n\x1a\n\0\0", "image/png"),
        ("text/html", b"\0\1\2" * 500, "application/octet-stream"),
        ("application/javascript", b"<html>", "application/javascript"),
        ("application/xml", b'<?xml version="1.0"?><rss/>', "application/xml"),
        ("text/plain", b"\0\1\2" * 500, "text/plain"),
        ("text/plain; charset=latin-1", b"Swan <b> \xe9t\xe9", "Swan <b> été"),
        ("text/markdown", b"# Swans", "# Swans"),
    ]
    data, _ = make_warc(
        [("response", "200 OK", [("Content-Type", kind)] if kind else [], body) for kind, body, _ in pages]
    )
    found = read(tmp_path / "a.warc.gz", data, extract)
    assert [item.text if isinstance(item, Record) else item.detail for item in found] == [want for *_, want in pages]
    assert {item.reason for item in found if isinstance(item, Skipped)} == {"not_text"}


def test_a_damaged_pdf_is_told(tmp_path: Path, make_warc: Any, extract: Any) -> None:
    data, _ = make_warc([("response", "200 OK", [("Content-Type", "application/pdf")], b"%PDF-1.7")])
    (found,) = read(tmp_path / "a.warc.gz", data, extract)
    assert found.reason == "parser_error"


def test_every_record_that_could_be_a_page_is_accounted_for(tmp_path: Path, make_warc: Any, extract: Any) -> None:
    deflated = zlib.compressobj(wbits=-15)
    bare = deflated.compress(PAGE) + deflated.flush()
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(PAGE), PAGE)
    bomb = gzip.compress(bytes(50_000_000))
    cases = [
        ("response", "200 OK", HTML, PAGE, None),
        ("response", "404 Not Found", HTML, PAGE, "http_status"),
        ("response", "301 Moved", [*HTML, ("Location", "/b")], b"", "redirect"),
        ("response", "200 OK", HTML, b" \n", "empty"),
        ("response", "200 OK", HTML, b"<html><body><script>1</script></body></html>", "no_text"),
        ("response", "200 OK", [*HTML, ("Content-Encoding", "gzip")], gzip.compress(PAGE), None),
        ("response", "200 OK", [*HTML, ("Content-Encoding", "gzip")], PAGE, None),
        ("response", "200 OK", [*HTML, ("Content-Encoding", "gzip")], bomb, "too_long"),
        ("response", "200 OK", [*HTML, ("Content-Encoding", "gzip")], b"\x1f\x8b\x08junk", "damaged_body"),
        ("response", "200 OK", [*HTML, ("Content-Encoding", "deflate")], zlib.compress(PAGE), None),
        ("response", "200 OK", [*HTML, ("Content-Encoding", "deflate")], bare, None),
        ("response", "200 OK", [*HTML, ("Content-Encoding", "br")], brotli.compress(PAGE), None),
        ("response", "200 OK", [*HTML, ("Transfer-Encoding", "chunked")], chunked, None),
        ("response", "200 OK", [*HTML, ("Transfer-Encoding", "chunked")], PAGE, None),
        ("response", "200 OK", HTML, PAGE * 20_000, "too_long"),
        ("request", "", [], b"GET / HTTP/1.1\r\n\r\n", "none"),
        ("metadata", "", [], b"a: b", "none"),
        ("revisit", "200 OK", HTML, b"", "revisit"),
        ("continuation", "", [], b"abc", "record_kind"),
        ("conversion", "", [], b"Plain\r\ntext  \r\n", None),
    ]
    data, _ = make_warc([(kind, status, headers, body) for kind, status, headers, body, _ in cases])
    found = read(tmp_path / "a.warc.gz", data, extract, most_bytes=1_000_000)
    wanted = [(f"http://site.test/{number}", reason) for number, (*_, reason) in enumerate(cases) if reason != "none"]
    assert [(item.url, item.reason if isinstance(item, Skipped) else None) for item in found] == wanted
    texts = {item.text for item in found if isinstance(item, Record)}
    assert texts == {"Some words here.", "Plain\ntext"}


@pytest.mark.parametrize("gz", [True, False])
def test_wherever_a_file_is_cut_off_the_loss_is_told(
    tmp_path: Path, make_warc: Any, plain_pages: Any, gz: bool
) -> None:
    data, places = make_warc(plain_pages, gz=gz)
    for cut in range(places[1] + 1, places[2] + 1, 3):
        read = letters(tmp_path / "a", data[:cut])
        assert read in (("w0D",) if cut < places[2] - 20 else ("w0D", "w01D", "w01"))
        assert read.endswith("D") or cut >= places[2] - 4  # 4: the empty lines after an uncompressed record


@pytest.mark.parametrize("gz", [True, False])
def test_damage_costs_the_record_that_it_is_in_and_no_other(
    tmp_path: Path, make_warc: Any, plain_pages: Any, gz: bool
) -> None:
    data, places = make_warc(plain_pages, gz=gz)
    assert letters(tmp_path / "a", data) == "w0123"
    hole = data[: places[1]] + data[places[1] + 30 :]
    assert letters(tmp_path / "a", hole) == "w0D23"
    assert letters(tmp_path / "a", data[: places[1]] + b"\xff" * 100 + data[places[1] + 100 :]) == "w0D23"
    if not gz:
        assert letters(tmp_path / "a", b"junk\n" * 100 + data) == "Dw0123"


@pytest.mark.parametrize(
    ("length", "wanted"),
    [(b"10", "w01D23"), (b"900000", "w0D23"), (b"-5", "w0D23"), (b"many", "w0D23"), (b"", "w0D23")],
)
def test_a_wrong_length_is_noticed_at_the_next_record(
    tmp_path: Path, make_warc: Any, plain_pages: Any, length: bytes, wanted: str
) -> None:
    data, places = make_warc(plain_pages, gz=False)
    records = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    before, _, after = records[2].partition(b"Content-Length: ")
    records[2] = before + b"Content-Length: " + length + after[after.index(b"\r") :]
    assert letters(tmp_path / "a", b"".join(records)) == wanted
    assert letters(tmp_path / "a", b"".join(map(gzip.compress, records))) == wanted


@pytest.mark.parametrize("data", [b"", b"no WARC at all\n" * 100, gzip.compress(b"nor here")])
def test_a_file_that_is_no_warc_is_one_damage(tmp_path: Path, extract: Any, data: bytes) -> None:
    (skipped,) = read(tmp_path / "a.warc", data, extract)
    assert isinstance(skipped, Skipped)
    assert skipped.reason == "damaged_record"
    assert str(tmp_path / "a.warc") in skipped.url


def test_a_record_longer_than_allowed_is_not_held_in_memory(tmp_path: Path, make_warc: Any, extract: Any) -> None:
    data, _ = make_warc([("response", "200 OK", HTML, PAGE * 300_000), ("response", "200 OK", HTML, PAGE)])
    tracemalloc.start()
    found = read(tmp_path / "a.warc.gz", data, extract)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [type(item) for item in found] == [Skipped, Record]
    assert peak < 10_000_000 < len(PAGE) * 300_000
