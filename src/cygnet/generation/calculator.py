"""The calculator: exact arithmetic on fractions, capped so that nothing a model asks for takes long."""

import ast
import operator
import re
from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction
from math import isqrt, log2
from typing import NamedTuple

_LONGEST = 300  # characters
_MOST_BITS = 1024  # of numerator and denominator: 308 digits
_SHOWN_PLACES = 40  # an exact decimal with more places is rounded
_DIGITS = 12  # of a rounded one
_CHARACTERS = re.compile(r"[\d\s()+*/%,.a-zE-]*", re.ASCII)
_WORDS = {"sqrt", "abs", "min", "max", "round", "e", "E"}  # the letter e is the exponent's in 1e6
_PRECISE = Context(prec=40)
_TOO_FAR = "number too large or too small"


class Number(NamedTuple):
    """A value, and whether it is the true one or rounded to 40 digits."""

    value: Fraction
    exact: bool = True


class _Refused(Exception):  # noqa: N818 - a refusal in words, not a fault
    pass


def calculate(expression: str) -> str:
    """Value of an arithmetic expression, or "error: ..." in words.

    Knows + - * / // % ** with Python's precedence, parentheses, decimals, and sqrt, abs, min, max and round (halves go
    to the even neighbour, as Python's do). A finite decimal is printed exactly; anything else to 12 digits with
    "(rounded)" behind it.
    """
    if len(expression) > _LONGEST:
        return f"error: longer than {_LONGEST} characters"
    unknown = set(re.findall(r"[a-zA-Z]+", expression)) - _WORDS
    if unknown or not _CHARACTERS.fullmatch(expression):  # the parser may print warnings on other text
        return "error: only numbers, + - * / // % **, parentheses, sqrt, abs, min, max and round are known"
    try:
        text = " ".join(expression.split())
        return _print(_value(ast.parse(text, mode="eval").body, text))
    except _Refused as refusal:
        return f"error: {refusal}"
    except ZeroDivisionError:
        return "error: division by zero"
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError):
        return "error: not an arithmetic expression"


def _value(node: ast.expr, text: str) -> Number:
    match node:
        case ast.Constant():
            return _literal(text[node.col_offset : node.end_col_offset])
        case ast.UnaryOp(op=ast.USub()):
            value, exact = _value(node.operand, text)
            return Number(-value, exact)
        case ast.UnaryOp(op=ast.UAdd()):
            return _value(node.operand, text)
        case ast.BinOp(op=ast.Pow()):
            return _power(_value(node.left, text), _value(node.right, text))
        case ast.BinOp() if type(node.op) in _OPERATORS:
            left, right = _value(node.left, text), _value(node.right, text)
            result = _OPERATORS[type(node.op)](left.value, right.value)
            return _capped(Number(Fraction(result), left.exact and right.exact))
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name]([_value(argument, text) for argument in node.args])
        case ast.Tuple():
            raise _Refused("a comma stands between arguments only; write 1000, not 1,000")
    raise ValueError(type(node).__name__)


def _literal(text: str) -> Number:
    """The number as it is written: 0.1 is a tenth, not the float next to it."""
    written = Decimal(text)
    if written and abs(written.adjusted()) > _MOST_BITS:  # before a fraction of a million digits is made
        raise _Refused(_TOO_FAR)
    return _capped(Number(Fraction(written)))


_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction | int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def _power(base: Number, exponent: Number) -> Number:
    value, times = base.value, exponent.value
    small = value in {-1, 0, 1} or _bits(value) * abs(times) <= 2 * _MOST_BITS
    if times.denominator == 1 and small:
        return _capped(Number(Fraction(value**times.numerator), base.exact and exponent.exact))
    if times == Fraction(1, 2):
        return _root([base])
    if value <= 0 and times.denominator != 1:
        raise _Refused("a broken power of a number that is not positive")
    if abs(_log2(value)) * min(float(abs(times)), 1e12) > _MOST_BITS:
        raise _Refused(_TOO_FAR)
    return Number(Fraction(_PRECISE.power(_decimal(value), _decimal(times))), exact=False)


def _root(numbers: list[Number]) -> Number:
    (number,) = numbers
    if number.value < 0:
        raise _Refused("the square root of a negative number")
    whole = Fraction(isqrt(number.value.numerator), isqrt(number.value.denominator))
    if whole**2 == number.value:
        return Number(whole, number.exact)
    return Number(Fraction(_PRECISE.sqrt(_decimal(number.value))), exact=False)


def _absolute(numbers: list[Number]) -> Number:
    (number,) = numbers
    return Number(abs(number.value), number.exact)


def _round(numbers: list[Number]) -> Number:
    number, places = numbers if len(numbers) == 2 else (*numbers, Number(Fraction(0)))
    if places.value.denominator != 1 or abs(places.value) > _SHOWN_PLACES:
        raise _Refused(f"round(x, n) needs a whole n up to {_SHOWN_PLACES}")
    return Number(Fraction(round(number.value, int(places.value))))


_FUNCTIONS: dict[str, Callable[[list[Number]], Number]] = {
    "sqrt": _root,
    "abs": _absolute,
    "min": min,
    "max": max,
    "round": _round,
}


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _log2(value: Fraction) -> float:
    return log2(abs(value.numerator)) - log2(value.denominator)


def _capped(number: Number) -> Number:
    """The number, rounded to 40 digits if the fraction is too long to go on with. Refuses what is beyond all use."""
    if _bits(number.value) <= _MOST_BITS:
        return number
    if abs(_log2(number.value)) > _MOST_BITS:
        raise _Refused(_TOO_FAR)
    return Number(Fraction(_decimal(number.value)), exact=False)


def _decimal(value: Fraction) -> Decimal:
    return _PRECISE.divide(Decimal(value.numerator), Decimal(value.denominator))


def _print(number: Number) -> str:
    if number.exact and (places := _places(number.value)) is not None:
        digits = str(abs(number.value.numerator) * 10**places // number.value.denominator).rjust(places + 1, "0")
        cut = len(digits) - places
        return f"{'-' if number.value < 0 else ''}{digits[:cut]}{'.' if places else ''}{digits[cut:]}"
    rounded = Context(prec=_DIGITS).plus(_decimal(number.value))
    return f"{rounded.normalize():{'f' if -7 < rounded.adjusted() < 16 else 'e'}} (rounded)"


def _places(value: Fraction) -> int | None:
    """Decimal places that write the value exactly; None if there is no such number, or it is large."""
    return next((places for places in range(_SHOWN_PLACES + 1) if 10**places % value.denominator == 0), None)
