"""How much of a text is repeated, as Gopher measures it (Rae et al. 2021, arXiv:2112.11446, table A1), by numpy.

An n-gram can occur twice only if the (n-1)-grams at its first and second word do. So the n-grams of each length are
looked for only where those one shorter were found repeated; ordinary text has hardly any such place left from n = 5 on.
Equality is exact: an n-gram's name is the pair of names of the two shorter ones, numbered anew.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

TOP = (2, 3, 4)
DUPLICATED = (5, 6, 7, 8, 9, 10)

_Ints = npt.NDArray[np.int64]


def repeated_items(items: Sequence[str]) -> tuple[int, int]:
    """How many items equal an earlier one, and how many characters those have."""
    unique = set(items)
    if len(unique) == len(items):
        return 0, 0
    return len(items) - len(unique), sum(map(len, items)) - sum(map(len, unique))


def repeated_ngrams(words: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> dict[int, int]:
    """Characters in repeated n-grams, for n of TOP and of DUPLICATED.

    `words` [N] numbers the words, equal words alike and all below N; `lengths` [N] are their characters. For 2, 3 and
    4 it is the characters (with the spaces between words) of the most frequent n-gram times its count, though the
    count be one; of equally frequent ones the first. For 5 to 10 it is the characters (without spaces) of n-grams
    that occurred before, reading on after each such n-gram.
    """
    begins = np.concatenate(([0], np.cumsum(lengths)))
    found = dict.fromkeys((*TOP, *DUPLICATED), 0)
    names, places = words, np.arange(len(words))  # the repeated (n-1)-grams: what they are called, where they begin
    for n in found:
        if len(words) < n:
            break
        names, places = _longer(names, places, len(words))
        names, counts = _named(names)
        if n in TOP:
            best, count = _most_frequent(places, counts)
            found[n] = int((begins[best + n] - begins[best] + n - 1) * count)
        repeated = counts > 1
        names, places = names[repeated], places[repeated]
        if n in DUPLICATED:
            if not len(places):
                break
            found[n] = _read_on(names, places, begins, n)
    return found


def _longer(names: _Ints, places: _Ints, words: int) -> tuple[_Ints, _Ints]:
    """The n-grams that may be repeated: where repeated (n-1)-grams begin at two words in a row."""
    follows = np.flatnonzero(places[1:] == places[:-1] + 1)
    return names[follows] * words + names[follows + 1], places[follows]


def _named(keys: _Ints) -> tuple[_Ints, _Ints]:
    """For each key a number below their number, the same for equal keys; and how often that key occurs."""
    order = np.argsort(keys)
    ordered = keys[order]
    sorted_names = np.zeros_like(keys)
    np.cumsum(ordered[1:] != ordered[:-1], out=sorted_names[1:])
    names = np.empty_like(keys)
    names[order] = sorted_names
    return names, np.bincount(names)[names]


def _most_frequent(places: _Ints, counts: _Ints) -> tuple[int, int]:
    """Where the most frequent n-gram begins, the first of equally frequent ones, and how often it occurs."""
    first = int(np.argmax(counts)) if len(counts) else 0
    # one that occurs once is as frequent as those left out, of which the first begins the text
    return (int(places[first]), int(counts[first])) if len(counts) and counts[first] > 1 else (0, 1)


def _read_on(names: _Ints, places: _Ints, begins: _Ints, n: int) -> int:
    """Characters of n-grams seen before; after one, reading goes on behind it."""
    sizes = (begins[places + n] - begins[places]).tolist()
    seen: set[int] = set()
    characters, free = 0, 0
    for name, place, size in zip(names.tolist(), places.tolist(), sizes, strict=True):
        if place < free:
            continue
        if name in seen:
            characters += size
            free = place + n
        else:
            seen.add(name)
    return characters
