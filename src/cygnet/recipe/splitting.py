"""A user's one file of rows, split into what is trained on and what is held out."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cygnet.errors import UserError
from cygnet.files import read_jsonl, write_aside, write_jsonl
from cygnet.recipe.runner import Step
from cygnet.training.work import Work

HELD_OUT = 0.05


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
    sides: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for number, row in enumerate(read_jsonl(rows), 1):
        if missing := [key for key in keys if key not in row]:
            raise UserError(
                f"{rows}, row {number}: {', '.join(missing)} missing; it has {', '.join(row) or 'nothing'}."
            )
        sides[_share(_question(row)) < HELD_OUT].append(row)
    train, heldout = (sides[False], sides[True]) if sides[False] else (sides[True], [])
    with write_aside(out) as folder:
        write_jsonl(folder / "train.jsonl", train)
        if heldout:
            write_jsonl(folder / heldout_name, heldout)
    return {"train": len(train), "held_out": len(heldout)}


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
