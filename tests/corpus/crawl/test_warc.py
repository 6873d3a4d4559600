from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from cygnet.corpus.crawl.fetch import Response
from cygnet.corpus.crawl.warc import WarcFiles
from cygnet.errors import UserError

DATE = "2026-11-23T00:00:00Z"


def response(number: int) -> Response:
    headers = (("Content-Type", "text/html"), ("Content-Encoding", "gzip"), ("Content-Length", "3"), ("X-Ä", "\xff\r"))
    return Response(
        f"http://example.org/{number}", 200, "Trè\x01s", headers, b"words " * number, (("User-Agent", "me"),)
    )


def written(folder: Path, number: int) -> tuple[WarcFiles, list[int]]:
    files = WarcFiles(folder, 10**9, {"software": "cygnet"})
    starts = [files.write(response(each), DATE) for each in range(1, number + 1)]
    return files, starts


def test_what_is_written_is_read_back_from_its_place(tmp_path: Path) -> None:
    files, starts = written(tmp_path, 3)
    for number, start in enumerate(starts, 1):
        found = files.read(files.name, start)
        assert found is not None
        assert (found.url, found.body) == (f"http://example.org/{number}", b"words " * number)
        assert found.header("content-length") == str(len(found.body))
        assert (found.header("content-encoding"), found.header("x-crawl-content-encoding")) == ("", "gzip")
    files.close()
    assert files.read(files.name, starts[0]) is not None
    assert files.read("crawl-00009.warc.gz", 0) is None
    with (tmp_path / "crawl-00001.warc.gz").open("rb") as file:
        kinds = [
            record.rec_type
            for record in ArchiveIterator(file, check_digests="raise")
            if record.content_stream().read() is not None
        ]
    assert kinds == ["warcinfo", *["response", "request"] * 3]


def test_wherever_a_file_is_torn_every_whole_page_before_is_recovered_and_the_rest_cut_off(tmp_path: Path) -> None:
    files, starts = written(tmp_path, 3)
    path = tmp_path / f"{files.name}.open"
    files.leave()
    data = path.read_bytes()
    ends = [*starts[1:], len(data)]
    for length in range(0, len(data) + 1, 7):
        path.write_bytes(data[:length])
        again = WarcFiles(tmp_path, 10**9, {})
        recovered = [(found.url, start) for found, start in again.recover("", 0)]
        whole = [number for number, end in enumerate(ends) if end <= length]
        assert recovered == [(f"http://example.org/{number + 1}", starts[number]) for number in whole]
        kept = ends[whole[-1]] if whole else starts[0] if length >= starts[0] else 0
        assert path.stat().st_size == kept
        again.leave()


def test_only_what_was_not_known_is_given_and_writing_goes_on_behind_it(tmp_path: Path) -> None:
    files, starts = written(tmp_path, 2)
    files.leave()
    again = WarcFiles(tmp_path, 10**9, {})
    assert [start for _, start in again.recover(files.name, starts[1])] == [starts[1]]
    start = again.write(response(3), DATE)
    assert (again.read(again.name, start) or response(0)).url == "http://example.org/3"
    again.close()
    assert [path.name for path in tmp_path.iterdir()] == ["crawl-00001.warc.gz"]


def test_a_file_that_lost_what_was_known_is_said(tmp_path: Path) -> None:
    files, starts = written(tmp_path, 2)
    files.leave()
    (tmp_path / f"{files.name}.open").write_bytes(b"")
    with pytest.raises(UserError, match="is shorter than it was"):
        list(WarcFiles(tmp_path, 10**9, {}).recover(files.name, starts[1]))
