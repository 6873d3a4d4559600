import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cygnet.corpus.reading.config import JsonlSource, ParquetSource
from cygnet.corpus.reading.jsonl import read_objects
from cygnet.corpus.reading.parquet import read_table
from cygnet.corpus.records import Record, Skipped
from cygnet.errors import UserError


def objects(path: Path, data: bytes, **settings: Any) -> list[Record | Skipped]:
    path.write_bytes(data)
    return [*read_objects("rows", path, JsonlSource(kind="jsonl", path=(str(path),), **settings))]


def table(path: Path, **settings: Any) -> list[Record | Skipped]:
    return [*read_table("rows", path, ParquetSource(kind="parquet", path=(str(path),), **settings))]


def test_columns_become_text_url_and_metadata(tmp_path: Path) -> None:
    rows = [{"body": "Words. ", "meta": {"link": "http://a", "year": 1999}}, {"body": "More", "meta": None, "extra": 1}]
    columns = {"text": "body", "url": "meta.link", "date": "meta.year"}
    wanted = [Record("rows", "http://a", "Words.", {"date": "1999"})]
    lines = "\n\n".join(map(json.dumps, rows)).encode()
    assert objects(tmp_path / "a.jsonl", lines, columns=columns) == [
        *wanted,
        Record("rows", f"{tmp_path}/a.jsonl#3", "More"),
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert table(tmp_path / "a.parquet", columns=columns) == [
        *wanted,
        Record("rows", f"{tmp_path}/a.parquet#2", "More"),
    ]


@pytest.mark.parametrize(("suffix", "pack"), [("jsonl", bytes), ("jsonl.gz", gzip.compress), ("jsonl.zst", None)])
def test_compressed_lines_are_unpacked(tmp_path: Path, suffix: str, pack: Any) -> None:
    lines = b'{"text": "one"}\n{"text": "two"}'
    pack = pack or (lambda data: pa.Codec("zstd").compress(data, asbytes=True))
    assert [item.text for item in objects(tmp_path / f"a.{suffix}", pack(lines)) if isinstance(item, Record)] == [
        "one",
        "two",
    ]


def test_a_broken_row_is_skipped_with_its_place_and_the_next_is_read(tmp_path: Path) -> None:
    broken = {
        b'{"text": "cut': "not_json",
        b"[1]": "not_an_object",
        b'{"text": "caf\xe9"}': "not_utf8",
        b'{"text": 7}': "not_text",
        b'{"text": null}': "not_text",
        b'{"other": "x"}': "not_text",
        b'{"text": " \\n"}': "empty",
        b'{"text": "' + b"x" * 3_000_000 + b'"}': "too_long",
        b"[" * 100_000: "not_json",
        b'{"text": ' + b"9" * 5_000 + b"}": "not_json",
    }
    lines = b"".join(line + b'\n{"text": "good"}\n' for line in broken)
    found = objects(tmp_path / "a.jsonl", lines, most_bytes=2_000_000)
    assert [item.reason for item in found[::2] if isinstance(item, Skipped)] == list(broken.values())
    assert [item.url for item in found] == [f"{tmp_path}/a.jsonl#{row}" for row in range(1, 21)]
    assert all(isinstance(item, Record) for item in found[1::2])


def test_half_a_surrogate_pair_is_replaced(tmp_path: Path) -> None:
    (record,) = objects(tmp_path / "a.jsonl", b'{"text": "a \\ud800 b \\ud83e\\udda2"}')
    assert isinstance(record, Record)
    assert record.text == "a \ufffd b 🦢"


def test_what_was_read_of_a_cut_off_file_stays(tmp_path: Path) -> None:
    rows = b"".join(json.dumps({"text": f"{number} {hash(number)}"}).encode() + b"\n" for number in range(1000))
    packed = gzip.compress(rows)
    *read, last = objects(tmp_path / "a.jsonl.gz", packed[: len(packed) // 2])
    assert isinstance(last, Skipped)
    assert last.reason == "damaged_file"
    assert all(isinstance(item, Record) for item in read)


def test_a_column_that_no_row_has_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.jsonl has no column 'text'. Its columns are: body, id\."):
        objects(tmp_path / "a.jsonl", b'{"body": "x", "id": 1}\n' * 2)
    pq.write_table(pa.table({"body": ["x"], "id": [1]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"a\.parquet has no column 'text'. Its columns are: body, id\."):
        table(tmp_path / "a.parquet")


def test_rows_of_a_damaged_row_group_are_told_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"text": [f"row {number} " + "x" * 50 for number in range(30)]}),
        path,
        row_group_size=10,
        use_dictionary=False,
        compression="zstd",
    )
    with pq.ParquetFile(path) as file:
        column = file.metadata.row_group(1).column(0)
        start, size = column.data_page_offset, column.total_compressed_size
    data = bytearray(path.read_bytes())
    data[start + size // 2 : start + size] = bytes(size - size // 2)
    path.write_bytes(data)
    found = table(path)
    assert [item.url for item in found] == [f"{path}#{row}" for row in range(1, 31)]
    assert [item.reason if isinstance(item, Skipped) else "" for item in found] == (
        [""] * 10 + ["damaged_row_group"] * 10 + [""] * 10
    )


def test_a_parquet_file_without_its_end_is_skipped(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["x" * 1000] * 100}), tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(data[:-10])
    (skipped,) = table(tmp_path / "a.parquet")
    assert isinstance(skipped, Skipped)
    assert skipped.reason == "damaged_file"


_PEAK = """
import resource, sys
from pathlib import Path
from cygnet.corpus.reading.lines import TooLong, read_lines
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = [line.length if isinstance(line, TooLong) else line for line in read_lines(Path(sys.argv[1]), 1_000_000)]
print(found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_line_of_gigabytes_takes_no_memory(tmp_path: Path) -> None:
    with (tmp_path / "a.jsonl").open("wb") as file:
        file.write(b"{}\n")
        file.seek(2 << 30, 1)  # a hole in the file: two gigabytes of zeros that the disk needn't hold
        file.write(b"\n[]")
    run = subprocess.run(
        [sys.executable, "-c", _PEAK, tmp_path / "a.jsonl"], check=True, capture_output=True, text=True
    )
    lines, _, kilobytes = run.stdout.rpartition(" ")
    assert lines == f"[b'{{}}', {2 << 30}, b'[]']"
    assert int(kilobytes) < 50_000
