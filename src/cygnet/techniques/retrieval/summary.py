"""What is told of an index and of a search, in words.

What strangers wrote goes to a terminal here, so whatever isn't printable becomes a blank: escape codes act there.
"""

from collections.abc import Sequence
from pathlib import Path

from cygnet.techniques.retrieval.build import Built
from cygnet.techniques.retrieval.search import Hit
from cygnet.terminal import printable

_NAMED = 3  # files left out for one reason that are named
_SHOWN = 240  # characters of a passage


def index_summary(built: Built, out: Path) -> str:
    """What an index holds, what was done, and what was left out for which reason."""
    files = f"{built.new} new, {built.changed} changed, {built.unchanged} unchanged, {built.removed} removed"
    lines = [f"{out}: passages: {built.chunks} in all, {built.embedded} embedded now; files: {files}."]
    for reason, names in sorted(built.left_out.items(), key=lambda item: -len(item[1])):
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        lines.append(printable(f"Left out, {reason}: {', '.join(names[:_NAMED])}{more}"))
    return "\n".join(lines)


def hits_shown(hits: Sequence[Hit], count: tuple[int, int]) -> str:
    """Hits with their scores, where they are, and how they begin; count: all chunks, and those with vectors."""
    if not hits:
        return "Nothing was found."
    parts = [_shown(number, hit) for number, hit in enumerate(hits, 1)]
    chunks, embedded = count
    if 0 < embedded < chunks:
        parts.append(f"{chunks - embedded} of {chunks} passages have no vector yet: the same `cygnet index` goes on.")
    return "\n\n".join(parts)


def _shown(number: int, hit: Hit) -> str:
    scores = [("score", hit.score), ("words", hit.bm25), ("meaning", hit.cosine)]
    told = "  ".join(f"{name} {value:.3g}" for name, value in scores if value is not None)
    text = " ".join(hit.chunk.text.split())
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return f"{number}. {printable(hit.chunk.citation)}\n   {told}\n   {printable(text)}"
