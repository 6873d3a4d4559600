"""Small Python programs whose state is followed line by line: serial tasks, where the written steps are the memory."""

from collections.abc import Callable
from random import Random

from cygnet.corpus.tasks.exercise import Exercise

_Operation = Callable[[Random, list[int]], str]


def _append(rng: Random, items: list[int]) -> str:
    value = rng.randrange(10)
    items.append(value)
    return f"append({value})"


def _insert(rng: Random, items: list[int]) -> str:
    value = rng.randrange(10)
    items.insert(0, value)
    return f"insert(0, {value})"


def _pop(_rng: Random, items: list[int]) -> str:
    items.pop()
    return "pop()"


def _pop_first(_rng: Random, items: list[int]) -> str:
    items.pop(0)
    return "pop(0)"


def _reverse(_rng: Random, items: list[int]) -> str:
    items.reverse()
    return "reverse()"


def _sort(_rng: Random, items: list[int]) -> str:
    items.sort()
    return "sort()"


_OPERATIONS: tuple[_Operation, ...] = (_append, _insert, _pop, _pop_first, _reverse, _sort)


_REQUESTS: tuple[tuple[str, _Operation], ...] = (
    ("Sort {}.", _sort),
    ("What does sorted({}) return?", _sort),
    ("Put {} in order.", _sort),
    ("Reverse {}.", _reverse),
    ("What does {}[::-1] return?", _reverse),
)


def lists(rng: Random) -> Exercise:
    """A list of digits, put in order or turned round, or after two or three method calls."""
    items = [rng.randrange(10) for _ in range(rng.randrange(3, 6))]
    return _request(rng, items) if rng.random() < 0.3 else _calls(rng, items)


def _request(rng: Random, items: list[int]) -> Exercise:
    """One operation, asked for in words."""
    template, operation = rng.choice(_REQUESTS)
    question = template.format(items)
    key = f"lists {operation.__name__} {items}"
    call = operation(rng, items)
    return Exercise("lists", key, question, str(items), (f"{call}: {items}",))


def _calls(rng: Random, items: list[int]) -> Exercise:
    """A program of method calls; what the list is at its end."""
    name = rng.choice("abx")
    lines, steps = [f"{name} = {items}"], []
    for _ in range(rng.choice((2, 3))):
        usable = _OPERATIONS if len(items) > 2 else (_append, _insert)
        call = rng.choice(usable)(rng, items)
        lines.append(f"{name}.{call}")
        steps.append(f"{call}: {items}")
    program = "\n".join(lines)
    return Exercise("lists", f"lists {program}", f"{program}\nWhat is {name}?", str(items), tuple(steps))


def strings(rng: Random) -> Exercise:
    """A short word, spelled out, then reversed, sliced, indexed, counted or changed."""
    word = "".join(rng.choice("abcdegilmnoprstu") for _ in range(rng.randrange(3, 6)))
    letter = rng.choice(word)
    expression, value = rng.choice(
        (
            (f"'{word}'[::-1]", word[::-1]),
            (f"'{word}'.upper()", word.upper()),
            (f"'{word}'[0]", word[0]),
            (f"'{word}'[-1]", word[-1]),
            (f"'{word}'[1:]", word[1:]),
            (f"'{word}'[:2]", word[:2]),
            (f"len('{word}')", len(word)),
            (f"'{word}'.count('{letter}')", word.count(letter)),
        )
    )
    steps = [f"{word}: {' '.join(word)}"]
    if isinstance(value, str):
        steps.append(f"result: {' '.join(value)}")
    question = rng.choice((f"What does {expression} return?", f">>> {expression}"))
    return Exercise("strings", f"strings {expression}", question, repr(value), tuple(steps))
