"""What calls cost: prices, a running sum, a line a call, and a budget that ends them."""

import json
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from cygnet.errors import UserError
from cygnet.files import why_not_written
from cygnet.lm.base import Usage


class BudgetError(UserError):
    """The budget is spent."""


@dataclass(frozen=True)
class Prices:
    """Money for a million tokens: of prompts, of those of them found in the server's cache, and written."""

    prompt: float
    cached: float
    completion: float

    def cost(self, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> float:
        """Money for one answer; cached tokens are among the prompt's."""
        read = (prompt_tokens - cached_tokens) * self.prompt + cached_tokens * self.cached
        return (read + completion_tokens * self.completion) / 1e6


FREE = Prices(0.0, 0.0, 0.0)


class Ledger:
    """Adds up what calls took. Threads may share it.

    path: of a JSON Lines file that gets a line for every call (`time` in UTC, `model`, the call's usage, `spent` so
    far); processes may share it. budget: once this much money is spent, `check` raises. Calls that are under way then
    still end and are paid, so it may be overdrawn by as many calls as are in flight.
    """

    def __init__(self, path: Path | None = None, budget: float | None = None) -> None:
        self.path, self.budget = path, budget
        self._usage, self._hits = Usage(), 0
        self._lock = threading.Lock()

    @property
    def usage(self) -> Usage:
        """Of all calls so far. Replies found in a cache are no calls."""
        return self._usage

    @property
    def hits(self) -> int:
        """Replies that were found in a cache."""
        return self._hits

    def check(self) -> None:
        """Raise BudgetError, a UserError, when the budget is spent."""
        if self.budget is not None and self._usage.cost >= self.budget:
            raise BudgetError(
                f"the budget of {self.budget:g} is spent ({self._usage.cost:g} in {self._usage.calls} calls): "
                "nothing more is asked. Raise the budget to go on."
            )

    def count_hits(self, replies: int) -> None:
        """Enter replies that were found in a cache."""
        with self._lock:
            self._hits += replies

    def enter(self, model: str, usage: Usage) -> None:
        """Add one call. Raises UserError when its line can't be written; it is counted all the same."""
        with self._lock:
            self._usage += usage
            if self.path is not None:
                now = datetime.now(UTC).isoformat(timespec="milliseconds")
                self._append({"time": now, "model": model, **asdict(usage), "spent": self._usage.cost})

    def _append(self, row: dict[str, object]) -> None:
        assert self.path is not None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab", buffering=0) as handle:  # one write: lines of several processes don't mix
                handle.write(json.dumps(row).encode() + b"\n")
        except OSError as error:
            reason = why_not_written(error) or str(error)
            raise UserError(f"could not write the ledger {self.path}: {reason}.") from error
