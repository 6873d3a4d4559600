import gzip
from pathlib import Path
from random import Random

from cygnet.corpus.reading.lines import CutOff, read_lines


def test_of_a_truncated_file_all_whole_lines_are_read(tmp_path: Path) -> None:
    lines = [b"%d" % Random(number).getrandbits(500) for number in range(2_000)]
    packed = gzip.compress(b"".join(line + b"\n" for line in lines))
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(packed[: len(packed) // 2])
    *found, end = read_lines(path, most_bytes=10_000)
    assert isinstance(end, CutOff)
    assert found == lines[: len(found)]
    assert 900 < len(found) < 1_100
