"""Drills in copying: look a key up, say it again. Reading a passage starts here.

A small model learns to copy only after many dense examples (Olsson et al. 2022, in-context learning and induction
heads); ordinary text is too thin in them for a budget of minutes.
"""

from random import Random

from cygnet.corpus.tasks.knowledge import NAMES, THINGS


def drill(rng: Random) -> str:
    """One document in which everything after the first lines can be copied from them."""
    return rng.choice((_dictionary, _echo, _belongings))(rng)


def _dictionary(rng: Random) -> str:
    keys = rng.sample("abcdefghijklmnopqrstuvwxyz", rng.randrange(2, 6))
    table = {key: rng.randrange(100) for key in keys}
    asked = [rng.choice(keys) for _ in range(rng.randrange(4, 9))]
    return "\n".join([f"d = {table}", *(f">>> d['{key}']\n{table[key]}" for key in asked)])


def _echo(rng: Random) -> str:
    words = [rng.choice((*NAMES, *THINGS, *"0123456789")) for _ in range(rng.randrange(3, 8))]
    text = " ".join(words)
    return "\n".join(f">>> print('{text}')\n{text}" for _ in range(rng.randrange(1, 3)))


def _belongings(rng: Random) -> str:
    names = rng.sample(NAMES, rng.randrange(2, 5))
    has = {name: f"{rng.randrange(2, 100)} {rng.choice(THINGS)}" for name in names}
    asked = rng.sample(names, len(names)) + [rng.choice(names) for _ in range(3)]
    passage = " ".join(f"{name} has {things}." for name, things in has.items())
    return "\n".join([passage, *(f"What does {name} have? {has[name]}" for name in asked)])
