"""`cygnet lab`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from cygnet.cli.out import OUT


def lab(
    task: Path,
    /,
    *settings: str,
    model: str,
    out: Annotated[Path | None, OUT] = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Find the way of asking that solves a task: first the best, then the cheapest that is nearly as good.

    Parameters
    ----------
    task:
        A .toml file with examples and what may be tried on them.
    settings:
        KEY=VALUE, anything that a task file says: asking.samples=16, budget.tokens=1_000_000.
    model:
        A model folder, or an endpoint: http://host:8000/v1#model (its key in OPENAI_API_KEY).
    out:
        The folder for the report and the answers, by default runs/lab-NAME. The same command goes on in it.
    dry_run:
        Only say what each rung would take.
    """
    from cygnet.lab.task import load_task

    loaded = load_task(task, settings)
    if dry_run:
        from cygnet.lab.models import is_endpoint
        from cygnet.lab.rehearsal import rehearse
        from cygnet.lab.terminal import print_plan

        print_plan(rehearse(loaded, not is_endpoint(model)), loaded)
        return

    from cygnet.lab.meter import to_prices
    from cygnet.lab.models import find_model
    from cygnet.lab.run import run_lab
    from cygnet.lab.terminal import Terminal

    found = find_model(model, to_prices(loaded.config.prices))
    folder = out or Path("runs") / f"lab-{loaded.config.name}"
    with Terminal(loaded) as terminal:
        outcome = run_lab(loaded, found, folder, terminal)
        terminal.conclude(outcome)
    print(f"\nReport:   {folder / 'report.html'}")
    if outcome.picks and not outcome.picks.warning:
        print(f'Use it:   python {folder / "cheapest.py"} "a question"')
