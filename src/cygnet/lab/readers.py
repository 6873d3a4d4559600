"""How an answer is read out of what a model wrote: as data, so that a setting can be written down and read again.

Values are what JSON has, so that they can be kept; a number is written the same way however the model wrote it.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

from cygnet.errors import UserError
from cygnet.techniques.parsing import after, first_line, json_object, last_number, one_of, whole

_DIGITS = 60  # more than anybody writes behind a decimal point


@dataclass(frozen=True, kw_only=True)
class Reader(ABC):
    """A `Parser` of techniques. after: the answer stands behind these words, up to the end of their line.

    first_line: only the first line that is not blank counts.
    """

    after: str = ""
    first_line: bool = False

    def __call__(self, text: str) -> Any | None:
        """The value, or None where there is none to read."""
        if self.after:
            return after(self.after, self.read)(text)
        return first_line(self.read)(text) if self.first_line else self.read(text)

    @abstractmethod
    def read(self, text: str) -> Any | None:
        """The value in the part of the text that counts."""


@dataclass(frozen=True, kw_only=True)
class ReadText(Reader):
    """The text itself, without white space around it."""

    def read(self, text: str) -> str | None:
        """The text, None when nothing is left."""
        return whole(text)


@dataclass(frozen=True, kw_only=True)
class ReadNumber(Reader):
    """The last number, as a decimal or else a fraction in lowest terms: "1,234.50" gives "1234.5"."""

    def read(self, text: str) -> str | None:
        """The number; None also for one with thousands of digits."""
        number = last_number(text)
        try:
            return None if number is None else _written(Fraction(number))
        except ValueError:
            return None


@dataclass(frozen=True, kw_only=True)
class ReadChoice(Reader):
    """The choice that is named last."""

    choices: tuple[str, ...]

    def read(self, text: str) -> str | None:
        """The choice as it is spelled in `choices`."""
        found: str | None = one_of(self.choices)(text)
        return found


@dataclass(frozen=True, kw_only=True)
class ReadPattern(Reader):
    """The last match of a regular expression: its first group, or all of it where it has none."""

    pattern: str

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except (re.error, TypeError) as error:
            raise UserError(f"{self.pattern!r} is no regular expression: {error}.") from error

    def read(self, text: str) -> str | None:
        """The match."""
        matches = list(re.finditer(self.pattern, text))
        if not matches:
            return None
        found: str | None = matches[-1][1] if matches[-1].re.groups else matches[-1][0]
        return found


@dataclass(frozen=True, kw_only=True)
class ReadJson(Reader):
    """The last JSON object behind the words of `after`; it may have many lines."""

    def __call__(self, text: str) -> Any | None:
        """The object, None where there is none."""
        if not self.after:
            return self.read(text)
        place = text.casefold().rfind(self.after.casefold())
        return self.read(text[place + len(self.after) :]) if place >= 0 else None

    def read(self, text: str) -> dict[str, Any] | None:
        """The object."""
        return json_object(text)


def _written(number: Fraction) -> str:
    if number.denominator == 1:
        return str(number.numerator)
    with localcontext(prec=_DIGITS):
        decimal = (Decimal(number.numerator) / Decimal(number.denominator)).normalize()
    return format(decimal, "f") if Fraction(decimal) == number else str(number)
