"""`cygnet report`."""

from pathlib import Path


def report(run: Path, /) -> None:
    """Write report.html and report.json of a run, finished or not.

    Parameters
    ----------
    run:
        A run folder.
    """
    from cygnet.recipe.report import build_report

    build_report(run)
    print(f"wrote {run / 'report.html'} and {run / 'report.json'}")
