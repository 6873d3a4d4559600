import io
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from cygnet.corpus.reading import crawled
from cygnet.corpus.reading.config import SiteSource
from cygnet.corpus.reading.shards import list_shards, read_shard
from cygnet.corpus.records import Record, Skipped

SITE = SiteSource(kind="site", start=("http://site.test/",), contact="me@example.org")
FETCHES = [
    ("/b", "2026-01-01T00:00:00Z", "the old swans"),
    ("/c", "2026-01-01T00:00:00Z", "no swans"),
    ("/a", "2026-01-02T00:00:00Z", "many swans"),
    ("/b", "2026-03-01T00:00:00Z", "the newest swans"),
    ("/b", "2026-02-01T00:00:00Z", "the newer swans"),
]


def write(path: Path, fetches: Any) -> None:
    out = io.BytesIO()
    writer = WARCWriter(out, gzip=True)
    writer.write_record(writer.create_warcinfo_record(path.name, {"software": "test"}))
    for place, date, text in fetches:
        url, http = f"http://site.test{place}", StatusAndHeaders("200 OK", [("Content-Type", "text/plain")], "HTTP/1.1")
        about = {"WARC-Date": date}
        body = io.BytesIO(text.encode())
        page = writer.create_warc_record(
            url, "response", payload=body, length=len(text), http_headers=http, warc_headers_dict=about
        )
        request = StatusAndHeaders(f"GET {place} HTTP/1.1", [("Host", "site.test")], is_http_request=True)
        writer.write_request_response_pair(writer.create_warc_record(url, "request", http_headers=request), page)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(out.getvalue())


def read(folder: Path, extract: Any) -> list[Record | Skipped]:
    (shard,) = list_shards(SITE, Path(), folder)
    return list(read_shard("site", SITE, shard, extract))


def test_of_each_page_the_newest_fetch_is_read_whatever_the_order(tmp_path: Path, extract: Any) -> None:
    found = []
    for number, fetches in enumerate(permutations(FETCHES)):
        if number % 5 == 0:  # some in one file, the rest in the next
            folder = tmp_path / str(number)
            write(folder / "crawl-00001.warc.gz", fetches[:2])
            write(folder / "crawl-00002.warc.gz", fetches[2:])
            found.append(read(folder, extract))
    assert all(items == found[0] for items in found)
    assert [(item.url[-1], item.text) for item in found[0] if isinstance(item, Record)] == [
        ("a", "many swans"),
        ("b", "the newest swans"),
        ("c", "no swans"),
    ]
    assert [item for item in found[0] if isinstance(item, Skipped)] == [
        Skipped("site", "http://site.test/b", "older_fetch", f"of 2026-0{month}-01T00:00:00Z; {newest}")
        for month in (1, 2)
        for newest in ("the newest is of 2026-03-01T00:00:00Z",)
    ]


def test_pages_are_read_when_their_turn_comes(tmp_path: Path, extract: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "crawl-00001.warc.gz", FETCHES)
    read_entry, positions = crawled.read_entry, list[int]()

    def noted(path: Path, position: int, most_bytes: int) -> Any:
        positions.append(position)
        return read_entry(path, position, most_bytes)

    monkeypatch.setattr(crawled, "read_entry", noted)
    (shard,) = list_shards(SITE, Path(), tmp_path)
    items = read_shard("site", SITE, shard, extract)
    next(items)
    assert len(positions) == 1
    assert len(list(items)) == 4
    assert len(positions) == 3


def test_damage_is_told_and_the_rest_is_read(tmp_path: Path, extract: Any) -> None:
    write(tmp_path / "crawl-00001.warc.gz", FETCHES)
    path = tmp_path / "crawl-00001.warc.gz"
    path.write_bytes(path.read_bytes()[:-40])
    items = read(tmp_path, extract)
    assert next(item.reason for item in items if isinstance(item, Skipped)) == "damaged_record"
    assert sum(isinstance(item, Record) for item in items) == 3


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"contact": ""}, "say who is crawling"),
        ({"start": []}, "at least 1 item"),
        ({"start": "mailto:a@b.c"}, "not a web address"),
        ({"exclude": ["old/*"]}, "can match nothing"),
        ({"hosts": [":"]}, "is not a host"),
        ({"pages": 0}, "pages must be more than 0"),
        ({"path": "x"}, "Extra inputs"),
    ],
)
def test_mistakes_in_a_site_are_told_before_anything_is_asked_for(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        SiteSource.model_validate({"kind": "site", "start": "https://a.test", "contact": "me@example.org"} | settings)
