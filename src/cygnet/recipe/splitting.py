"""A user's one file of rows, split into what is trained on and what is held out."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cygnet.errors import UserError
from cygnet.files import read_jsonl, write_aside, write_jsonl
from cygnet.recipe.step import Step
from cygnet.training.work import Work

HELD_OUT = 0.05

Numbered = tuple[int, dict[str, Any]]


def split_step(rows: Path, keys: Sequence[str], out: Path, heldout_name: str) -> tuple[list[Step], Path]:
    """A step that splits the file `rows` into `out`, and `out`; a folder is taken as it is, split already."""
    if rows.is_dir():
        return [], rows.resolve()

    def action(_: Work) -> dict[str, Any]:
        return split_rows(rows, keys, out, heldout_name)

    return [Step("split", (rows.resolve(),), (out,), {"held_out": HELD_OUT}, action)], out


def split_rows(rows: Path, keys: Sequence[str], out: Path, heldout_name: str) -> dict[str, Any]:
    """Write `out/train.jsonl` and, if any row falls to it, `out/<heldout_name>`; returns how many rows each has.

    What a row asks decides where it goes, whatever is answered: a prompt is never on both sides. If all fall to one
    side, all are trained on.

    Raises:
        UserError: when `rows` can't be read, isn't JSON Lines, or a row lacks one of `keys`.
    """
    numbered = list(enumerate(read_jsonl(rows), 1))
    for number, row in numbered:
        if missing := [key for key in keys if key not in row]:
            raise UserError(
                f"{rows}, row {number}: {', '.join(missing)} missing; it has {', '.join(row) or 'nothing'}."
            )
    train, heldout = _sides(numbered)
    with write_aside(out) as folder:
        write_jsonl(folder / "train.jsonl", (row for _, row in train))
        if heldout:
            write_jsonl(folder / heldout_name, (row for _, row in heldout))
    return {"train": len(train), "held_out": len(heldout)}


@contextmanager
def naming_rows_of(rows: Path, out: Path) -> Iterator[None]:
    """In a UserError about a row of the split files in `out`, name the user's file and the row's number there."""
    try:
        yield
    except UserError as error:
        split = re.compile(rf"{re.escape(str(out))}/(\w+)\.jsonl, row (\d+)")
        if not rows.is_file() or not split.search(str(error)):
            raise
        train, heldout = _sides(list(enumerate(read_jsonl(rows), 1)))

        def as_given(found: re.Match[str]) -> str:
            side = train if found[1] == "train" else heldout
            return f"{rows}, row {side[int(found[2]) - 1][0]}"

        raise UserError(split.sub(as_given, str(error))) from error


def _sides(numbered: Sequence[Numbered]) -> tuple[list[Numbered], list[Numbered]]:
    """What is trained on and what is held out, each row with its number in the user's file."""
    sides: dict[bool, list[Numbered]] = {False: [], True: []}
    for number, row in numbered:
        sides[_share(_question(row)) < HELD_OUT].append((number, row))
    return (sides[False], sides[True]) if sides[False] else (sides[True], [])


def _question(row: dict[str, Any]) -> Any:
    """The prompt, or in a conversation what comes before the assistant's first words; else the whole row."""
    if "prompt" in row:
        return row["prompt"]
    messages = row.get("messages")
    if not isinstance(messages, list):
        return row
    roles = [message.get("role") if isinstance(message, dict) else None for message in messages]
    return messages[: roles.index("assistant")] if "assistant" in roles else messages


def _share(value: Any) -> float:
    """A number in [0, 1) that depends on the value alone, evenly spread over values."""
    digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
