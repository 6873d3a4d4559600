"""Tools and indexes as data: by a name or a path, from which they are made again."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cygnet.files import sha256_of
from cygnet.techniques.tools.tool import Tool

if TYPE_CHECKING:
    from cygnet.techniques.retrieval.search import Hit, Index

ToolName = Literal["calculator", "python"]


@cache
def make_tool(name: ToolName) -> Tool:
    """The tool of that name. Raises UserError where this machine can't have it."""
    if name == "calculator":
        from cygnet.techniques.tools.calculator import calculator

        return calculator()
    from cygnet.techniques.tools.python import python_tool

    return python_tool()


@dataclass(frozen=True)
class IndexFile:
    """An index, opened when it is first searched. version: of what is in it, so that answers from it can be told
    from those of another."""

    path: str
    version: str = ""

    def search(self, query: str, k: int = 5) -> "Sequence[Hit]":
        """A `Searcher` of techniques."""
        return _opened(self.path).search(query, k)


def find_index(path: Path) -> IndexFile:
    """The index at a path, as it is now. Raises UserError when there is none."""
    _opened(str(path.resolve()))
    return IndexFile(str(path.resolve()), sha256_of(path)[:16])


@cache
def _opened(path: str) -> "Index":
    from cygnet.techniques.retrieval.search import Index

    return Index(Path(path))
