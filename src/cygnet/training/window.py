"""What is said of several updates at once."""

from collections.abc import Iterable


class Window:
    """Means over the updates since the last log line."""

    def __init__(self, rows: Iterable[dict[str, float]] = ()) -> None:
        """`rows` are what another window had."""
        self.rows = list(rows)

    def add(self, values: dict[str, float], seconds: float) -> None:
        """Remember one update's means, their "count", and how long it took."""
        self.rows.append({**values, "seconds": seconds})

    def take(self) -> tuple[dict[str, float], float]:
        """Means, and items a second while updating; a new window begins."""
        rows, self.rows = self.rows, []
        count, seconds = sum(row["count"] for row in rows), sum(row["seconds"] for row in rows)
        names = [name for name in rows[0] if name not in ("count", "seconds")]
        means = {name: sum(row[name] * row["count"] for row in rows) / count for name in names}
        return means, count / max(seconds, 1e-9)
