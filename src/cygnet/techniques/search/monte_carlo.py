"""Monte Carlo tree search with upper confidence bounds (UCT).

Kocsis & Szepesvári 2006, "Bandit Based Monte-Carlo Planning", ECML. A state's value comes from the problem: from the
model's judgment, or with `playouts` from random play as in the paper.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from cygnet.errors import UserError
from cygnet.techniques.base import Asking
from cygnet.techniques.search.explorer import Explorer, Search, Valued


@dataclass
class _Node:
    """A state of the tree. total: of the values found in it and below it, `visits` many."""

    state: Any
    parent: "_Node | None" = None
    children: "list[_Node]" = field(default_factory=list)
    visits: int = 0
    total: float = 0.0

    def bound(self, exploration: float) -> float:
        """The mean value here and below, and what it may be higher for all that is known yet (UCB1)."""
        assert self.parent is not None
        return self.total / self.visits + exploration * math.sqrt(math.log(self.parent.visits) / self.visits)

    def back_up(self, value: float) -> None:
        """Count a value here and all the way up."""
        node: _Node | None = self
        while node:
            node.visits, node.total, node = node.visits + 1, node.total + value, node.parent

    def close(self) -> None:
        """Nothing is left to look at below: take it out of the tree, and what lies above if that is empty then."""
        if self.parent:
            self.parent.children.remove(self)
            if not self.parent.children:
                self.parent.close()


@dataclass
class MonteCarloSearch(Search):
    """Again and again down the tree by the upper confidence bound, one step beyond its leaf, and back up.

    A step's states are all valued at once, in one batch, and each counts as a visit. What leads nowhere counts 0 and is
    not gone to again; nor is what leads only to states already seen, which tells nothing of its worth. exploration:
    weight of the uncertain; the square root of 2 is right for values from 0 to 1, and others are refused.
    """

    exploration: float = math.sqrt(2)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.exploration < 0:
            raise UserError(f"the exploration weight must not be negative: {self.exploration}.")

    def explore(self, explorer: Explorer[Any], start: Any) -> Asking[None]:
        """One leaf after the other."""
        root = _Node(start)
        while not explorer.over:
            leaf = self._descend(root)
            [new] = yield from explorer.children([leaf.state])
            yield from explorer.report(f"grow by {len(new)}", new)
            for child in new:
                leaf.children.append(_Node(child.state, leaf))
                leaf.children[-1].back_up(_share(child))
            if not new:
                if not explorer.proposed:
                    leaf.back_up(0.0)
                leaf.close()
            if not root.children:
                return

    def _descend(self, node: _Node) -> _Node:
        while node.children:
            node = max(node.children, key=lambda child: child.bound(self.exploration))
        return node


def _share(child: Valued) -> float:
    if not 0 <= child.value <= 1:
        raise UserError(f"values of a Monte Carlo search must lie between 0 and 1, not {child.value:g}.")
    return child.value
