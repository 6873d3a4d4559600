"""Tree of Thoughts: steps of reasoning as a tree in which the model proposes and judges, searched as trees are.

Yao et al. 2023, "Tree of Thoughts: Deliberate Problem Solving with Large Language Models", arXiv 2305.10601: its
algorithm 1 is `BeamSearch`, algorithm 2 `DepthFirstSearch`. Its headline, 4 % → 74 % on the Game of 24, compares one
unchecked sample with any of five checked ones; by the authors' own logs the best of 100 samples under the same checker
reaches 49 % for fewer tokens (issue 53 of their repository). So look at `compare` before you praise a search.
"""

from dataclasses import dataclass
from typing import Any

from cygnet.errors import UserError
from cygnet.techniques.base import Asking
from cygnet.techniques.search.explorer import Explorer, Search


@dataclass
class BeamSearch(Search):
    """Level by level, of which the `width` most promising states are kept (None: all, which is breadth first).

    All states of a level are proposed in one batch and valued in another.
    """

    width: int | None = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width is not None and self.width < 1:
            raise UserError(f"a beam of width {self.width} keeps nothing: give 1 or more, or None for all.")

    def explore(self, explorer: Explorer[Any], start: Any) -> Asking[None]:
        """One level after the other."""
        level = [start]
        while level and not explorer.over:
            families = yield from explorer.children(level)
            new = sorted((child for family in families for child in family), key=lambda child: -child.value)
            kept = new[: self.width]
            yield from explorer.report(f"keep {len(kept)} of {len(new)}", kept)
            level = [child.state for child in kept]


@dataclass
class DepthFirstSearch(Search):
    """The most promising step first, down to a dead end, then back to the next one.

    prune: states whose value is below it are not gone on with; None keeps all.
    """

    prune: float | None = None

    def explore(self, explorer: Explorer[Any], start: Any) -> Asking[None]:
        """One state after the other."""
        stack = [start]
        while stack and not explorer.over:
            [new] = yield from explorer.children([stack.pop()])
            kept = [child for child in new if self.prune is None or child.value >= self.prune]
            kept.sort(key=lambda child: -child.value)
            yield from explorer.report(f"keep {len(kept)} of {len(new)}", kept)
            stack += [child.state for child in reversed(kept)]
