"""The sandbox as a tool: Python for a model."""

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from cygnet.techniques.tools import sandbox
from cygnet.techniques.tools.limits import Limits
from cygnet.techniques.tools.sandbox import run_python
from cygnet.techniques.tools.tool import Tool, tool

_DEFAULT = Limits()
_AROUND = 60.0  # seconds beyond the program's own: starting an interpreter on a busy machine


def python_tool(limits: Limits = _DEFAULT, weakness: str = "") -> Tool:
    """A tool that runs Python code in the sandbox and returns what it printed.

    Its description says what keeps the code in here, and what the code can use.

    Raises UserError at once where this machine has no sandbox (see `sandbox.run_python`).
    """
    scope = sandbox.scope()

    def python(code: Annotated[str, Field(description="a whole program; print what you want to see")]) -> str:
        """Run Python code and return what it prints. Nothing is kept between two runs."""
        result = run_python(code, limits)
        if not result.error:
            return result.stdout or "(the program ran and printed nothing)"
        gap = "" if not result.stdout or result.stdout.endswith("\n") else "\n"
        return f"{result.stdout}{gap}error: {result.error}"

    made = tool(python, weakness=weakness, seconds=limits.seconds + _AROUND)
    return replace(made, description=f"{made.description} {scope}")
