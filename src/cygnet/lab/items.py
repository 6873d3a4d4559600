"""The examples of a task: read, and split into those that are shown, those that choose and those that are held out."""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from cygnet.errors import UserError
from cygnet.files import numbered_jsonl
from cygnet.lab.checks import Check
from cygnet.lab.config import ColumnsConfig, ItemsConfig
from cygnet.techniques.examples import Example

FEWEST = 10  # to choose by, and held out
_SHOWN = 10  # broken rows that a message tells


@dataclass(frozen=True)
class Item:
    """A question, its right answer (None where the check needs none), the reasoning if there is any, and its row."""

    question: str
    answer: str | None
    reasoning: str
    row: int


class Split(NamedTuple):
    """pool: to be shown. choosing: what every rung is measured on. held_out: what only the picks are measured on."""

    pool: tuple[Example, ...]
    choosing: tuple[Item, ...]
    held_out: tuple[Item, ...]


def read_items(path: Path, columns: ColumnsConfig, check: Check) -> list[Item]:
    """The examples in a JSON Lines file; of those with the same question and answer only the first.

    Raises:
        UserError: naming file, rows and what is wrong with each; for an empty file; for one question with two answers.
    """
    items: dict[str, Item] = {}
    broken = []
    for number, row in numbered_jsonl(path):
        try:
            item = _item(row, number, columns, check)
            first = items.setdefault(item.question, item)
            if first.answer != item.answer:
                raise ValueError(f"asks the same as row {first.row}, but has another answer")
        except ValueError as error:
            broken.append(f"row {number} {error}")
    if broken:
        more = f"\n  and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
        raise UserError(f"{path} has broken rows:\n  " + "\n  ".join(broken[:_SHOWN]) + more)
    return list(items.values())


def split(items: Sequence[Item], config: ItemsConfig, seed: int, shots: int) -> Split:
    """Split by a hash of each question, so that more examples later move few of the old ones.

    Raises:
        UserError: when too few are left to choose by or to hold out.
    """
    shuffled = sorted(items, key=lambda item: blake2b(f"{seed} {item.question}".encode(), digest_size=8).digest())
    used = shuffled[: config.most]
    shown = [item for item in used if item.answer is not None][: min(config.pool, len(used) // 4)] if shots else []
    rest = [item for item in used if item not in shown]
    held = round(config.held_out * len(rest))
    if min(held, len(rest) - held) < FEWEST:
        raise UserError(
            f"{len(used)} examples are too few: {len(shown)} are shown, {len(rest) - held} would choose and {held} "
            f"would be held out, of which {FEWEST} each are the least that says anything. Bring more examples."
        )
    pool = tuple(Example(item.question, item.answer or "", item.reasoning) for item in shown)
    return Split(pool, tuple(rest[held:]), tuple(rest[:held]))


def _item(row: Mapping[str, Any], number: int, columns: ColumnsConfig, check: Check) -> Item:
    """Raises ValueError saying what is wrong with the row."""
    question, answer = _text(row, columns.input, "input"), None
    if check.needs_answers or row.get(columns.answer) is not None:
        answer = _text(row, columns.answer, "answer")
        try:
            check.expected(answer)
        except ValueError as error:
            raise ValueError(f"has the {columns.answer} {answer!r}, which {error}") from error
    reasoning = row.get(columns.reasoning) or ""
    if not isinstance(reasoning, str):
        raise ValueError(f"has a {columns.reasoning} that is not text")
    return Item(question, answer, reasoning, number)


def _text(row: Mapping[str, Any], column: str, key: str) -> str:
    if column not in row:
        near = difflib.get_close_matches(column, row, n=1)
        hint = f" Is it {near[0]!r}?" if near else ""
        raise ValueError(f"has no {column!r}.{hint} It has: {', '.join(row)}. `columns.{key}` says what it is called")
    value = row[column]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if value is None or not text.strip():
        raise ValueError(f"has an empty {column!r}")
    return text
