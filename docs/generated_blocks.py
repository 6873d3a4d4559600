"""What the code says of itself, in Markdown: the parts that `make reference` writes into pages kept by hand."""

import ast
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

from cygnet.corpus.tasks import FAMILIES, exercises, worked_reply
from cygnet.corpus.tasks.drills import drill
from cygnet.feedback.rubric import WEIGHTS
from cygnet.recipe.load import load_recipe
from cygnet.recipe.planner.hardware import CATALOG
from cygnet.recipe.planner.laws import LAWS
from cygnet.recipe.planner.words import amount, flops, money
from cygnet.stages.conversations import STYLES, reply_messages

SOURCE = Path(__file__).parents[1] / "src" / "cygnet"

# Top to bottom, as on the page: imports point only downwards.
ROOMS = (
    *("cli", "server", "recipe", "lab", "arena", "feedback", "evaluation", "techniques", "lm", "stages", "corpus"),
    *("generation", "training", "model", "tokens", "page", "settings"),
)


def families() -> str:
    """What the exercises are about, which recipes teach them, and one worked example each."""
    taught = {name: load_recipe([name]).conversations.families for name in ("pocket", "evening")}
    parts = []
    for name, (make, _) in FAMILIES.items():
        exercise = next(exercises("train", 1, (name,)))
        said = f"User:\n{exercise.prompt}\n\nAssistant:\n"
        if exercise.tool:
            said += f"[python] {exercise.tool} = {exercise.answer}\n"
        about = (make.__doc__ or "").partition("\n")[0]
        worked = _fenced(said + worked_reply(exercise))
        where = " and ".join(f"`{recipe}`" for recipe, names in taught.items() if name in names) or "no preset"
        parts.append(f"### {name}\n\n{about} Taught in {where}.\n\n{worked}")
    return "\n\n".join(parts)


def drills() -> str:
    """One drill in copying."""
    return _fenced(drill(Random(3)))


def rubric() -> str:
    """The criteria and their weights."""
    rows = [(name.replace("_", " "), _percent(weight)) for name, weight in WEIGHTS.items()]
    return markdown_table(("Criterion", "Weight"), rows)


def habits() -> str:
    """One exercise as each of the demonstrators would answer it."""
    exercise = next(exercises("train", 1, ("units",)))
    parts = [f"The question:\n\n{_fenced(exercise.prompt)}"]
    for style in STYLES:
        (message,) = reply_messages(exercise, style, Random(1))
        parts.append(f"**{style.capitalize()}** writes:\n\n{_fenced(message['content'])}")
    return "\n\n".join(parts)


def pocket_shares() -> str:
    """The habits' shares and the contractor's error in the pocket recipe."""
    recipe = load_recipe(["pocket"])
    conversations = recipe.conversations.model_dump()
    total = sum(conversations[style] for style in STYLES)
    shares = ", ".join(f"{style} {_percent(conversations[style] / total)}" for style in STYLES)
    return (
        f"In `pocket` the shares are: {shares}; {_percent(recipe.conversations.json_share)} of exercises ask for JSON. "
        f"The contractor's error has a standard deviation of {recipe.comparisons.noise:g}, on marks from 0 to 1."
    )


def rooms() -> str:
    """The rooms of the house, top to bottom, and which rooms each imports."""
    imports = imported_rooms()
    rows = [
        (f"`{room}/`", _what_it_is(room), ", ".join(other for other in ROOMS if other in imports[room]) or "–")
        for room in ROOMS
    ]
    return markdown_table(("Room", "What is in it", "Imports"), rows)


def imported_rooms() -> dict[str, set[str]]:
    """For each folder of the package, the other folders that its files import from."""
    found: dict[str, set[str]] = {}
    for room in (path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()):
        modules = (name for path in (SOURCE / room).rglob("*.py") for name in _imports(path))
        parts = (module.split(".") for module in modules)
        folders = {part[1] for part in parts if part[0] == "cygnet" and len(part) > 1 and (SOURCE / part[1]).is_dir()}
        found[room] = folders - {room}
    return found


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def laws() -> str:
    """The scaling laws of `cygnet plan`, and what each makes of three budgets."""

    def cell(parameters: float, compute: float) -> str:
        return f"{amount(parameters)} on {amount(compute / (6 * parameters))}"

    computes = (1e14, 1e20, 1e24)
    rows = [
        (f"`{law.key}`", law.about, *(cell(law.parameters(each), each) for each in computes), law.source)
        for law in LAWS
    ]
    return markdown_table(("Law", "What for", *(f"{flops(each)} FLOPs" for each in computes), "Source"), rows)


def hardware() -> str:
    """The hardware that `cygnet plan` knows."""
    rows = [
        (
            *(f"`{each.key}`", each.name, f"{each.peak / 1e12:,.0f} TFLOP/s", f"{each.memory / 1e9:.0f} GB"),
            *(money(each.price or 0), each.price_source, _percent(each.utilization), each.utilization_source),
        )
        for each in CATALOG
    ]
    header = ("`--on`", "What", "Peak, dense", "Memory", "An hour", "Price from", "Utilization", "Utilization from")
    return markdown_table(header, rows)


def _what_it_is(room: str) -> str:
    docstring = ast.get_docstring(ast.parse((SOURCE / room / "__init__.py").read_text(encoding="utf-8")))
    return (docstring or "").partition("\n")[0]


BLOCKS: dict[str, Callable[[], str]] = {
    block.__name__: block for block in (families, drills, rubric, habits, pocket_shares, rooms, laws, hardware)
}


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table, pipes in cells escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _fenced(text: str) -> str:
    return f"```text\n{text}\n```"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
