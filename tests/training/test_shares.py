import math
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cygnet.training.shares import parts
from cygnet.training.work import Work
from cygnet.training.world import World


@given(st.integers(0, 60), st.integers(1, 9), st.one_of(st.none(), st.integers(1, 20)))
def test_every_item_is_read_once_in_parts_that_all_processes_have_as_many_of(
    count: int, size: int, rows_at_once: int | None
) -> None:
    items = list(range(count))
    work = [Work(Path("a"), Path("b"), world=World(rank, size), rows_at_once=rows_at_once) for rank in range(size)]
    shares = [parts(items, each) for each in work]
    assert [item for share in shares for part in share for item in part] == items
    assert len({len(share) for share in shares}) == 1
    assert shares[0]
    assert all(len(part) <= (rows_at_once or -(-count // size)) for share in shares for part in share)
    sizes = [sum(map(len, share)) for share in shares]
    assert max(sizes) - min(sizes) <= len(shares[0])
    if rows_at_once and count:  # no more parts than are needed
        assert len(shares[0]) == math.ceil(math.ceil(count / size) / rows_at_once)
