"""What is said of several updates at once."""


class Window:
    """Means over the updates since the last log line."""

    def __init__(self, seconds: float) -> None:
        self._rows: list[dict[str, float]] = []
        self._since = seconds

    def add(self, values: dict[str, float]) -> None:
        """Remember one update's means and its "count"."""
        self._rows.append(values)

    def take(self, seconds: float) -> tuple[dict[str, float], float, float]:
        """Means, count and items a second; a new window begins."""
        count = sum(row["count"] for row in self._rows)
        rows, self._rows = self._rows, []
        means = {name: sum(row[name] * row["count"] for row in rows) / count for name in rows[0] if name != "count"}
        elapsed, self._since = seconds - self._since, seconds
        return means, count, count / max(elapsed, 1e-9)
