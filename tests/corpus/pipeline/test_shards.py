from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cygnet.corpus.pipeline.shards import DUPLICATES, read_row, read_where, write_rows

ROWS = [{"shard": row // 700, "row": row % 700, "rule": "exact_duplicate", "of": f"s/0/{row}"} for row in range(4_000)]


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The row groups that are read of duplicates.parquet, of which there are four."""
    write_rows(tmp_path / "duplicates.parquet", DUPLICATES, ROWS)
    seen: list[int] = []
    read = pq.ParquetFile.read_row_group

    def noted(self: pq.ParquetFile, group: int, **more: bool) -> pa.Table:
        seen.append(group)
        return read(self, group, **more)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", noted)
    return seen


def test_only_the_row_groups_of_a_shard_are_read(tmp_path: Path, groups: list[int]) -> None:
    for shard, places in {0: [0], 1: [0, 1], 5: [3], 9: []}.items():
        groups.clear()
        found = list(read_where(tmp_path / "duplicates.parquet", "shard", shard))
        assert found == [row for row in ROWS if row["shard"] == shard]
        assert groups == places


def test_a_row_is_read_with_its_row_group_alone(tmp_path: Path, groups: list[int]) -> None:
    for number in (0, 999, 1_000, 3_999):
        assert read_row(tmp_path / "duplicates.parquet", number) == ROWS[number]
    assert groups == [0, 0, 1, 3]
    assert read_row(tmp_path / "duplicates.parquet", 4_000) is None
