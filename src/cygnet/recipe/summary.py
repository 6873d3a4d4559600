"""What the command line says when a run or a stage is finished."""

from pathlib import Path
from typing import Any

from cygnet.files import read_json
from cygnet.page.formats import plain_duration


def run_summary(run: Path) -> str:
    """The ladder of a finished run, how long it took, and where to go from here."""
    report = read_json(run / "report.json")
    rows = [
        f"  {row['player']:12}{row['elo']:6.0f}   [{row['ci95'][0]:.0f}, {row['ci95'][1]:.0f}]"
        for row in report["ladder"]
    ]
    return "\n".join(
        [
            f"{report['recipe']} took {plain_duration(report['seconds'])} on {report['machine']['cpu']}.",
            "",
            "The ladder, in Elo points with 95 % intervals:",
            *rows,
            "",
            f"Report:     {run / 'report.html'}",
            f"Talk to it: cygnet chat {run / 'rl'}",
        ]
    )


def stage_summary(metrics: dict[str, Any], out: Path) -> str:
    """A stage's metrics, one a line, numbers rounded to what can be read, and where its model is."""
    return "\n".join([*(f"{name}: {_rounded(value)}" for name, value in metrics.items()), f"wrote {out}"])


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, dict):
        return ", ".join(f"{name} {_rounded(item)}" for name, item in value.items() if item is not None)
    return value
