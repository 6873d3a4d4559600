"""Passages as they are put before a model: numbered, marked as data, and unable to pass for anything else.

Marking what is data: Hines et al. 2024, "Defending Against Indirect Prompt Injection Attacks With Spotlighting", arXiv
2403.14720. It makes attacks rarer, it doesn't end them.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from cygnet.techniques.retrieval.search import Hit
from cygnet.techniques.retrieval.store import Chunk

# What a prompt is built with: our own delimiters, and those of common chat formats, which servers read as such even
# inside a message.
_MARKS = re.compile(
    r"<\W*passage|<\s*\||</?s>|<<\W*sys>>|\[\s*/?\s*inst\s*\]|<\W*(?:start|end)_of_turn|<\W*(?:bos|eos)>", re.IGNORECASE
)
_HARMLESS = str.maketrans("<>[]＜＞﹤﹥［］", "‹›()‹›‹›()")
_JOINERS = "\u200c\u200d"  # Persian, Indian scripts and emoji are written with them
_LONGEST_LABEL = 200


@dataclass(frozen=True)
class Passage:
    """A chunk with its number, and its text as the model reads it; imitates: whether it held marks of a prompt."""

    number: int
    text: str
    chunk: Chunk
    imitates: bool


def number_passages(hits: Sequence[Hit]) -> list[Passage]:
    """Hits as passages, numbered on end from the first number such that none of theirs stands in brackets in any text.

    That is 1 unless a text has marks like "[1]" itself; so a mark that the model copies out of a text is never taken
    for a citation.
    """
    shown = [_harmless(hit.chunk.text) for hit in hits]
    taken = {int(number) for text, _ in shown for number in re.findall(r"\d{1,9}", " ".join(_bracketed(text)))}
    first = 1
    while clash := taken & set(range(first, first + len(hits))):
        first = max(clash) + 1
    return [
        Passage(number, text, hit.chunk, imitates)
        for number, (hit, (text, imitates)) in enumerate(zip(hits, shown, strict=True), first)
    ]


def write_passages(passages: Sequence[Passage]) -> str:
    """All passages between their delimiters, which none of them can contain."""
    return "\n".join(
        f'<passage number="{passage.number}" source="{_label(passage.chunk)}">\n{passage.text}\n</passage>'
        for passage in passages
    )


def _harmless(text: str) -> tuple[str, bool]:
    """A text without invisible characters and, if it has marks of a prompt, without any bracket that makes them."""
    seen = "".join(_seen(character) for character in text.replace("\r\n", "\n"))
    plain = unicodedata.normalize("NFKC", seen.translate(str.maketrans("", "", _JOINERS)))
    if not _MARKS.search(plain):
        return seen, False
    return seen.translate(_HARMLESS), True


def _seen(character: str) -> str:
    """A character, unless nothing is seen of it: zero-width ones, those that turn writing round, Unicode's tags."""
    category = unicodedata.category(character)
    if category == "Cf":
        return character if character in _JOINERS else ""
    return " " if category == "Cc" and character not in "\n\t" else character


def _bracketed(text: str) -> list[str]:
    return re.findall(r"[\[［]([^\]］]*)[\]］]", text)


def _label(chunk: Chunk) -> str:
    """Source and titles in an attribute. Who names files and headings could attack there too."""
    words = " › ".join((chunk.source, *chunk.titles))
    text, _ = _harmless(" ".join(words.split()))
    return text.translate(_HARMLESS).replace('"', "'")[:_LONGEST_LABEL]
