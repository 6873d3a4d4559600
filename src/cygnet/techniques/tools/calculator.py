"""The calculator as a tool."""

from typing import Annotated

from pydantic import Field

from cygnet.generation.calculator import calculate
from cygnet.techniques.tools.tool import Tool, tool


def calculator(weakness: str = "You are bad at arithmetic: use this for every calculation.") -> Tool:
    """`calculate` as a tool."""

    def calculator(expression: Annotated[str, Field(description='such as "(12.5 + 3) * 4"')]) -> str:
        """Exact arithmetic: + - * / // % **, parentheses, sqrt, abs, min, max, round."""
        return calculate(expression)

    return tool(calculator, weakness=weakness)
