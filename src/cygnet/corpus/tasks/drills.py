"""Drills in looking up: find a name, say what was said of it. Reading a passage starts here.

A small model learns to look up only after many dense examples (Olsson et al. 2022, in-context learning and induction
heads); ordinary text is too thin in them for a budget of minutes. Half of the drills only say facts again, half ask for
them: the first is where looking up is learned, the second is what it is for (lab notes).
"""

from random import Random

from cygnet.corpus.tasks.knowledge import facts, note

_SAID_AGAIN, _ASKED = 10, 7


def drill(rng: Random) -> str:
    """One document in which nearly everything after the first sentences can be looked up in them."""
    return rng.choice((_said_again, _asked))(rng)


def _said_again(rng: Random) -> str:
    known = list(facts(rng).values())
    return note([*known, *rng.choices(known, k=_SAID_AGAIN)])


def _asked(rng: Random) -> str:
    known = facts(rng)
    names = [*rng.sample(list(known), len(known)), *rng.choices(list(known), k=_ASKED - len(known))]
    return "\n".join([note(known.values()), *(f"What does {name} do?\nAnswer: {known[name]}" for name in names)])
