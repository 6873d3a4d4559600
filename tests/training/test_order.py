from hypothesis import given
from hypothesis import strategies as st

from cygnet.training.order import visits


@given(st.integers(1, 50), st.integers(1, 4), st.integers(0, 10))
def test_every_epoch_visits_every_item_once(total: int, epochs: int, seed: int) -> None:
    seen = list(visits(total, 0, total * epochs, seed))
    for epoch in range(epochs):
        assert sorted(seen[epoch * total : (epoch + 1) * total]) == list(range(total))


@given(st.integers(1, 50), st.integers(0, 100), st.integers(0, 60), st.integers(0, 10))
def test_a_stretch_is_a_piece_of_the_whole(total: int, start: int, count: int, seed: int) -> None:
    whole = list(visits(total, 0, start + count, seed))
    assert list(visits(total, start, count, seed)) == whole[start:]


def test_epochs_and_seeds_differ() -> None:
    twice = list(visits(100, 0, 200, seed=1))
    assert twice[:100] != twice[100:]
    assert twice[:100] != list(visits(100, 0, 100, seed=2))
