"""`cygnet lab`: the climb, and what it leaves in its folder."""

from pathlib import Path

from cygnet.errors import UserError
from cygnet.files import write_aside, write_json
from cygnet.lab.climb import Climb, Watch, climb
from cygnet.lab.export import export
from cygnet.lab.models import Model
from cygnet.lab.record import record
from cygnet.lab.report.page import render
from cygnet.lab.task import Task
from cygnet.lock import locked


def run_lab(task: Task, model: Model, folder: Path, watch: Watch) -> Climb:
    """Climb the ladder in `folder`, going on where an earlier run stopped, and write down what was found.

    The folder gets lab.json, report.html and, of the best rung and the cheapest within the margin, a program and a
    setting; answers.jsonl and calls.jsonl are what resuming takes.

    Raises:
        UserError: when the lab can't go on; the answers so far are kept, and a report of them is written.
        KeyboardInterrupt: when the user ends it; likewise.
    """
    with locked(folder):
        outcome = Climb(task, model)
        try:
            climb(task, model, folder, watch, outcome)
        except (UserError, KeyboardInterrupt) as error:
            outcome.stopped = str(error) or "It was interrupted."
            if outcome.measured:
                _write(outcome, folder)
            if isinstance(error, KeyboardInterrupt):
                raise
            kept = f"The answers so far are kept in {folder}: the same command goes on from there."
            raise UserError(f"{error} {kept}") from error
        _write(outcome, folder)
        return outcome


def _write(outcome: Climb, folder: Path) -> None:
    write_json(folder / "lab.json", record(outcome))
    with write_aside(folder / "report.html") as temporary:
        temporary.write_text(render(outcome), encoding="utf-8")
    export(outcome, folder)
