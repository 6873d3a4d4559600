"""What was run, and on what machine."""

from collections.abc import Iterator
from typing import Any

from cygnet.page.formats import duration, number
from cygnet.page.markup import Html, Section, folded, html, join, share_bar, table
from cygnet.recipe.report.data import RunData


def section(data: RunData) -> Section:
    """Machine, recipe and the time each stage took."""
    return Section("run", "What was run", join([_facts(data), _stages(data), _settings(data)]))


def _facts(data: RunData) -> Html:
    machine = data.lineage.get("machine") or {}
    # what follows the + is of each step's own code: lineage.json has it
    versions = {stage["version"].partition("+")[0] for stage in data.lineage["stages"].values()}
    facts = {
        "Recipe": data.lineage.get("recipe"),
        "Recipe hash": str(data.recipe.get("hash", ""))[:12],
        "Seed": data.recipe.get("seed"),
        "Processor": machine.get("cpu"),
        "Cores": machine.get("cores"),
        "Memory": f"{number(machine['memory_gb'], 1)} GB" if "memory_gb" in machine else None,
        "PyTorch": machine.get("torch"),
        "cygnet": ", ".join(sorted(versions)),
    }
    known = ((name, value) for name, value in facts.items() if value not in (None, ""))
    items = join(html("<div><dt>{n}</dt><dd>{v}</dd></div>", n=name, v=value) for name, value in known)
    return html('<dl class="facts">{items}</dl>', items=items)


def _stages(data: RunData) -> Html:
    stages = data.lineage["stages"].items()
    spent = {name: stage["seconds"] for name, stage in stages if name != "report"}  # this page cannot time itself
    if not spent:
        return html('<p class="absent">No stage has finished yet in this run directory.</p>')
    longest = max(spent.values()) or 1.0
    rows = [[name, share_bar(seconds / longest, duration(seconds))] for name, seconds in spent.items()]
    return join([html("<h3>Time by stage</h3>"), table(["Stage", "Time"], rows)])


def _settings(data: RunData) -> Html:
    rows = [[html("<code>{key}</code>", key=key), value] for key, value in _flat(data.recipe) if key != "hash"]
    return folded(f"All {len(rows)} settings of the resolved recipe", table(["Key", "Value"], rows)) if rows else Html()


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as dotted keys, the way they are written on the command line."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else key)
    else:
        yield prefix, str(value)
