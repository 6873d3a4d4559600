"""Cutting long texts at the places where a reader would pause."""

import re
from collections.abc import Iterable

_AFTER_BLANK_LINES = re.compile(r"(?<=\n)(?=[^\n])(?<=\n\n)")


def pack(parts: Iterable[str], limit: int) -> list[str]:
    """Join neighboring parts while the result stays within `limit` characters; nothing is lost or reordered.

    A part that is longer on its own is cut at its blank lines, and failing that at its line ends, and its pieces are
    not joined with its neighbors. A single line is never cut: only a line longer than `limit` makes a longer piece.
    """
    pieces: list[str] = []
    open_to_join = False
    for part in parts:
        if len(part) > limit:
            pieces.extend(_cut(part, limit))
            open_to_join = False
        elif open_to_join and len(pieces[-1]) + len(part) <= limit:
            pieces[-1] += part
        else:
            pieces.append(part)
            open_to_join = True
    return pieces


def split_text(text: str, limit: int) -> list[str]:
    """Cut text at blank lines (or line ends) into stripped pieces of about `limit` characters at most."""
    return [piece.strip("\n") for piece in pack([text], limit) if piece.strip()]


def _cut(text: str, limit: int) -> list[str]:
    paragraphs = _AFTER_BLANK_LINES.split(text)
    if len(paragraphs) > 1:
        return pack(paragraphs, limit)
    lines = text.splitlines(keepends=True)
    return pack(lines, limit) if len(lines) > 1 else lines
