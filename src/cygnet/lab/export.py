"""The picks as files: a program that people run and read, and the same setting as data."""

import textwrap
from pathlib import Path

from cygnet.errors import UserError
from cygnet.files import write_aside
from cygnet.lab.climb import Climb
from cygnet.lab.measure import Measured
from cygnet.lab.setting import from_data, imports, to_code
from cygnet.lm.base import LanguageModel
from cygnet.page.formats import number, percent
from cygnet.settings.toml import read_toml, to_toml
from cygnet.techniques.base import Technique

_PROGRAM = '''"""{title}

{measured}
Let a person look at what comes out, and use it only where a mistake costs little.

    python {name}.py "a question"
"""

import sys

{imports}

lm = load({address!r})
technique = {technique}

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit('usage: python {name}.py "a question"')
    answer = technique(sys.argv[1])
    print(answer.text if answer.value is None else answer.value)
'''


def export(outcome: Climb, folder: Path) -> None:
    """Write best.py, best.toml, cheapest.py and cheapest.toml; where nothing is picked, remove them."""
    if outcome.picks is None:
        for name in ("best.py", "best.toml", "cheapest.py", "cheapest.toml"):
            (folder / name).unlink(missing_ok=True)
        return
    for name, rung in (("best", outcome.picks.best), ("cheapest", outcome.picks.cheapest)):
        measured = outcome.picks.held_out[rung]
        with write_aside(folder / f"{name}.py") as temporary:
            temporary.write_text(program(name, measured, outcome), encoding="utf-8")
        with write_aside(folder / f"{name}.toml") as temporary:
            temporary.write_text(to_toml(_data(measured, outcome)), encoding="utf-8")


def load_technique(path: Path, lm: LanguageModel) -> Technique:
    """The technique in a file that the lab wrote (best.toml, cheapest.toml), asking `lm`.

    Such a file is a program: it may name a Python function of its writer's, which is run. Open none that
    you don't trust. Raises UserError when the file is missing or is none of the lab's.
    """
    table = read_toml(path)
    try:
        technique = from_data(table["technique"], lm)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{path} is no setting that `cygnet lab` wrote: {error}") from error
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if not isinstance(technique, Technique):
        raise UserError(f"{path} is no setting that `cygnet lab` wrote: it holds no technique.")
    return technique


def program(name: str, measured: Measured, outcome: Climb) -> str:
    """The text of best.py or cheapest.py."""
    kind = "The best setting" if name == "best" else "The cheapest good setting"
    title = f"{kind} that `cygnet lab` found for {outcome.task.config.name}: {measured.rung}."
    warning = outcome.picks.warning if outcome.picks else ""
    return _PROGRAM.format(
        name=name,
        title=title,
        measured="\n".join([in_words(measured), *textwrap.wrap(warning, 110)]),
        imports=imports(measured.technique),
        address=outcome.model.address,
        technique=to_code(measured.technique),
    )


def in_words(measured: Measured) -> str:
    """How accurate it is on which items."""
    low, high = measured.interval
    tokens = measured.usage.tokens / len(measured.graded)
    return (
        f"{percent(measured.accuracy, 1)} right on {len(measured.graded)} held-out items (95 % interval "
        f"{100 * low:.1f} to {100 * high:.1f}); {number(tokens, 0)} tokens an answer."
    ).replace("\N{NO-BREAK SPACE}", " ")


def _data(measured: Measured, outcome: Climb) -> dict[str, object]:
    return {
        "task": outcome.task.config.name,
        "model": outcome.model.address,
        "rung": measured.rung,
        "accuracy": measured.accuracy,
        "interval": list(measured.interval),
        "held_out_items": len(measured.graded),
        "technique": measured.setting,
    }
