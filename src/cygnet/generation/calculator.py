"""The assistant's Python tool: exact arithmetic on whole numbers, and nothing else."""

import ast
import operator
import re
from collections.abc import Callable

_LARGEST = 10**30
_LONGEST = 100
_ARITHMETIC = re.compile(r"[\d\s()+*/%-]*", re.ASCII)  # on anything else the parser may print warnings

_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def calculate(expression: str) -> str:
    """Value of an expression of whole numbers, + - * // % and parentheses, or "error: ..." in words.

    Numbers are capped at 10^30 and the text at 100 characters: a model can ask for anything.
    """
    if len(expression) > _LONGEST:
        return "error: too long"
    if not _ARITHMETIC.fullmatch(expression):
        return "error: not arithmetic"
    try:
        return str(_value(ast.parse(expression.strip(), mode="eval").body))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "error: not arithmetic"
    except ZeroDivisionError:
        return "error: division by zero"


def _value(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        value = node.value
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = -_value(node.operand)
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        value = _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    else:
        raise ValueError(ast.dump(node))
    if abs(value) > _LARGEST:
        raise ValueError("too large")
    return value
