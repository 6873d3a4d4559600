"""Ways to read a value out of what a model wrote.

A parser takes a text and returns a value, or None where there is none to read: it never raises on odd text.
"""

import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from cygnet.errors import UserError

Parser = Callable[[str], Any | None]


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)

_NUMBER = re.compile(
    r"(?<!\w)(?P<sign>[-−])?[$€£¥]?"  # the minus of "10-5" belongs to no number, nor is the 2 of "H2O" one
    r"(?:(?P<above>\d+)/(?P<below>0*[1-9]\d*)"
    r"|(?P<whole>\d{1,3}(?:,\d{3})+(?!\d)|\d{1,3}(?:[\u00a0\u202f]\d{3})+(?!\d)|\d+)?(?P<part>\.\d+)?"
    r"(?P<power>(?<=\d)[eE][-+]?\d{1,3}(?!\w))?(?<=\d))"
)
_SEPARATORS = str.maketrans("", "", ",\u00a0\u202f")


def whole(text: str) -> str | None:
    """The text itself without white space around it; None when nothing is left."""
    return text.strip() or None


def last_number(text: str) -> int | Decimal | Fraction | None:
    """The last number: "1,234" and "$1,234" as int, "0.10" and "6e23" as Decimal, "3/4" as Fraction, all exact.

    Numbers of equal value are equal whichever way they were written. A comma between groups of three digits separates
    thousands; "50%" is 50.
    """
    numbers = list(_NUMBER.finditer(text))
    if not numbers:
        return None
    try:
        size = _size(numbers[-1])
    except ValueError:  # more digits than Python turns into an integer: a model that repeats itself
        return None
    if not numbers[-1]["sign"]:
        return size
    return size.copy_negate() if isinstance(size, Decimal) else -size  # minus would round a Decimal to 28 digits


def _size(found: re.Match[str]) -> int | Decimal | Fraction:
    if found["above"]:
        return Fraction(int(found["above"]), int(found["below"]))
    digits = (found["whole"] or "0").translate(_SEPARATORS)
    if found["part"] or found["power"]:
        return Decimal(digits + (found["part"] or "") + (found["power"] or ""))
    return int(digits)


def first_line(then: Parser = whole) -> Parser:
    """`then` reads the first line that is not blank."""
    return lambda text: then(text.strip().split("\n", 1)[0])


def after(marker: str, then: Parser = whole) -> Parser:
    """`then` reads what follows the last `marker` ("Answer:", in any case), up to the end of a line.

    Raises UserError when the marker is empty.
    """
    if not marker.strip():
        raise UserError('the marker is empty: give the words before the answer, such as "Answer:".')
    pattern, line = re.compile(re.escape(marker.strip()), re.IGNORECASE), first_line(then)

    def parse(text: str) -> Any | None:
        ends = [match.end() for match in pattern.finditer(text)]
        return line(text[ends[-1] :]) if ends else None

    return parse


def one_of(choices: Sequence[str]) -> Parser:
    """The choice that the text names last, as it is spelled in `choices`.

    Choices count as whole words, of overlapping ones the longest; those spelled exactly so come before those in other
    case. A text may name several on the way: put `after("Answer:", one_of(...))` around it where you can.

    Raises UserError when there are no choices, an empty one, or two that differ in case alone.
    """
    canonical = {choice.casefold(): choice for choice in choices}
    if len(canonical) < len(choices) or not choices or not all(choice.strip() for choice in choices):
        raise UserError(f"choices must be words that differ in more than their case, not {list(choices)!r}.")
    longest_first = "|".join(re.escape(choice) for choice in sorted(choices, key=len, reverse=True))
    pattern = rf"(?<!\w)(?:{longest_first})(?!\w)"
    exactly, loosely = re.compile(pattern), re.compile(pattern, re.IGNORECASE)

    def parse(text: str) -> str | None:
        named = exactly.findall(text) or loosely.findall(text)
        return canonical.get(named[-1].casefold()) if named else None

    return parse


def json_object(text: str) -> dict[str, Any] | None:
    """The last complete JSON object, whatever stands around it (words, a fence of backticks)."""
    last, start = None, text.find("{")
    while start >= 0:
        try:
            last, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        start = text.find("{", end)
    return last
