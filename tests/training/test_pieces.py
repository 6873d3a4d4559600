from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cygnet.training.pieces import Pieces


@given(st.data())
def test_rows_are_those_of_the_whole_however_it_was_cut(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    whole = torch.arange(count * 3).view(count, 3)
    bounds = [0, *sorted(data.draw(st.lists(st.integers(0, count), max_size=4))), count]
    cut = [(start, whole[start:end]) for start, end in pairwise(bounds) if start < end]
    pieces = Pieces(data.draw(st.permutations(cut)), count)
    assert pieces.shape == whole.shape
    assert torch.equal(pieces.whole(), whole)
    start, end = sorted(data.draw(st.tuples(st.integers(0, count), st.integers(0, count))))
    found = pieces.rows(range(start, end))
    assert torch.equal(found, whole[start:end])
    found.zero_()
    assert int(whole.sum()) == sum(range(count * 3))


@pytest.mark.parametrize("bounds", [[(0, 2), (3, 5)], [(1, 5)], [(0, 4)], [(0, 3), (2, 5)]])
def test_missing_rows_are_noticed(bounds: list[tuple[int, int]]) -> None:
    whole = torch.arange(5)
    with pytest.raises(ValueError, match="rows are missing"):
        Pieces([(start, whole[start:end]) for start, end in bounds], 5)
