"""Beginnings that were read are found again, the longest first, in bounded memory."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from cygnet.generation.prefixes import SHORTEST, Prefixes, shared

TOKENS = st.lists(st.integers(0, 2), max_size=3 * SHORTEST)


def keep(prefixes: Prefixes, tokens: list[int]) -> None:
    """Keys and values that say which token they are of."""
    values = torch.tensor(tokens, dtype=torch.float32).view(1, 1, -1, 1)
    prefixes.keep(tokens, values, values + 10)


@given(TOKENS, TOKENS)
def test_shared_is_the_longest_common_beginning(first: list[int], second: list[int]) -> None:
    length = shared(first, second)
    assert first[:length] == second[:length]
    assert first[: length + 1] != second[: length + 1] or length == min(len(first), len(second))


@given(st.lists(TOKENS, max_size=6), TOKENS)
def test_the_longest_beginning_is_found_with_what_belongs_to_it(kept: list[list[int]], tokens: list[int]) -> None:
    prefixes = Prefixes()
    for several in kept:
        keep(prefixes, several)
    longest = max((shared(several, tokens) for several in kept), default=0)
    found = prefixes.find(tokens)
    if longest < SHORTEST:
        assert found is None
    else:
        assert found is not None
        length, keys, values = found
        assert length == longest
        assert keys.flatten().tolist() == tokens[:length]
        assert (values - keys == 10).all()


def test_what_was_used_longest_ago_goes_first() -> None:
    prefixes = Prefixes()
    first = [0] * SHORTEST
    keep(prefixes, first)
    for number in range(1, 16):
        keep(prefixes, [number] * SHORTEST)
    assert prefixes.find(first)
    keep(prefixes, [16] * SHORTEST)
    assert prefixes.find(first)
    assert not prefixes.find([1] * SHORTEST)


def test_a_longer_beginning_takes_the_place_of_its_own_beginning() -> None:
    prefixes = Prefixes()
    for length in range(SHORTEST, 60):
        keep(prefixes, list(range(length)))
    keep(prefixes, [7] * SHORTEST)
    assert prefixes.find(list(range(100)))[0] == 59


def test_memory_is_bounded() -> None:
    prefixes = Prefixes()
    for number in range(4):
        numbers = torch.zeros((1, 1, 1, 1)).expand(1, 1, 15_000_000, 1)  # 30 million numbers with the values
        prefixes.keep([number] * SHORTEST, numbers, numbers)
    assert [bool(prefixes.find([number] * SHORTEST)) for number in range(4)] == [False, False, True, True]
