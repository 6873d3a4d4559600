"""A task file, read and checked: everything that the lab needs but the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cygnet.lab.checks import Check, make_check
from cygnet.lab.config import TaskConfig
from cygnet.lab.equipment import IndexFile, find_index
from cygnet.lab.items import Split, read_items, split
from cygnet.settings.layers import Layer, parse_override
from cygnet.settings.toml import read_toml
from cygnet.settings.validate import validate


@dataclass(frozen=True)
class Task:
    """What a task file says, its check, its examples, and its index of documents if it has one."""

    config: TaskConfig
    check: Check
    items: Split
    index: IndexFile | None = None

    @property
    def template(self) -> str:
        """The question behind the instructions."""
        instructions = self.config.asking.instructions.strip()
        return f"{instructions}\n\n{{question}}" if instructions else "{question}"


def load_task(path: Path, overrides: Sequence[str] = ()) -> Task:
    """Read a task file and its examples; `overrides` are `key=value`, as in `asking.samples=16`.

    Raises:
        UserError: listing every mistake in the settings, or every broken row of the examples.
    """
    layers = [Layer(str(path), {"name": path.stem, **read_toml(path)}), *map(parse_override, overrides)]
    config = validate(TaskConfig, layers)
    check = make_check(config.check, path.parent)
    items = read_items(path.parent / config.examples, config.columns, check)
    index = find_index(path.parent / config.asking.index) if config.asking.index else None
    return Task(config, check, split(items, config.items, config.seed, config.asking.shots), index)
