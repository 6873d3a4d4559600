"""Sums whose steps are written out, sums too big to work out by hand, and units."""

from random import Random

from cygnet.corpus.tasks.exercise import Exercise

_PLACES = ("ones", "tens", "hundreds", "thousands")

_UNITS = (
    ("hour", "minute", 60),
    ("minute", "second", 60),
    ("day", "hour", 24),
    ("week", "day", 7),
    ("dozen", "egg", 12),
    ("meter", "centimeter", 100),
    ("year", "month", 12),
)


def addition(rng: Random) -> Exercise:
    """Two numbers of one to three digits each, added column by column with carries."""
    a, b = _number(rng), _number(rng)
    question = rng.choice((f"What is {a} + {b}?", f"Add {a} and {b}.", f"{a} + {b}"))
    return Exercise("addition", f"addition {min(a, b)} {max(a, b)}", question, str(a + b), _columns(a, b))


def _number(rng: Random) -> int:
    """Longer numbers more often: they have more to learn."""
    digits: int = rng.choice((1, 2, 2, 3, 3, 3))
    return rng.randrange(10 ** (digits - 1), 10**digits)


def _columns(a: int, b: int) -> tuple[str, ...]:
    """The sum worked out from the ones up; a carry is added in the next column."""
    steps, carry = [], 0
    for place in range(len(str(max(a, b)))):
        x, y = a // 10**place % 10, b // 10**place % 10
        total = x + y + carry
        left = f"{x} + {y} + {carry}" if carry else f"{x} + {y}"
        carry = total // 10
        steps.append(f"{_PLACES[place]}: {left} = {total}")
    return tuple(steps)


def product(rng: Random) -> Exercise:
    """A product: small or big, the Python tool is for that."""
    a, b = _number(rng), _number(rng)
    expression = f"{a} * {b}"
    question = rng.choice((f"What is {expression}?", f"Multiply {a} by {b}.", expression))
    return Exercise("tool", f"tool {a} {b}", question, str(a * b), tool=expression)


def units(rng: Random) -> Exercise:
    """A length of time or a count in two units, given in the smaller."""
    large, small, factor = rng.choice(_UNITS)
    count, rest = rng.randrange(2, 10), rng.randrange(1, min(factor, 60))
    product = count * factor
    question = rng.choice(
        (
            f"How many {small}s are {count} {large}s and {rest} {_plural(small, rest)}?",
            f"Convert {count} {large}s and {rest} {_plural(small, rest)} to {small}s.",
        )
    )
    steps = (f"{count} * {factor} = {product}", f"{product} + {rest}", *_columns(product, rest))
    return Exercise("units", f"units {large} {count} {rest}", question, f"{product + rest} {small}s", steps)


def _plural(word: str, count: int) -> str:
    return word if count == 1 else word + "s"
