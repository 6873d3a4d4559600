"""The report of a run: report.json for programs, report.html for people."""

from pathlib import Path

from cygnet.files import write_aside, write_json
from cygnet.recipe.report.advice import advise, as_json
from cygnet.recipe.report.data import gather
from cygnet.recipe.report.page import render
from cygnet.recipe.report.summary import Summary, summarize
from cygnet.recipe.report.verdict import verdict


def build_report(run: Path) -> Summary:
    """Write `run/report.json` and `run/report.html` from what the run directory holds; return what report.json holds.

    Works at any moment: a stage that has not finished is null in the JSON and said to be missing on the page. The
    same run gives the same bytes.

    Raises:
        UserError: `run` is not a folder of a run, or one of its files is damaged.
    """
    data = gather(run)
    found = advise(data)
    summary = summarize(data)
    page = render(data, summary, found)
    result = summary | {"verdict": verdict(summary), "next": as_json(found)}
    write_json(run / "report.json", result)
    with write_aside(run / "report.html") as temporary:
        temporary.write_text(page, encoding="utf-8")
    return result
