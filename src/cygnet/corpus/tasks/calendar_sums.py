"""Counting days of the week and months of the year, forward and back."""

from random import Random

from cygnet.corpus.tasks.exercise import Exercise

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def calendar(rng: Random) -> Exercise:
    """Which day or month is some way after or before another, counted one by one."""
    kind, names = rng.choice((("day", _DAYS), ("month", _MONTHS)))
    start, distance = rng.randrange(len(names)), rng.randrange(2, 11)
    direction, sign = rng.choice((("after", 1), ("before", -1)))
    passed = [names[(start + sign * i) % len(names)] for i in range(1, distance + 1)]
    steps = tuple(f"{i}: {name}" for i, name in enumerate(passed, 1))
    question = f"Which {kind} is {distance} {kind}s {direction} {names[start]}?"
    return Exercise("calendar", f"calendar {distance} {direction} {names[start]}", question, passed[-1], steps)
