"""Documents to chunks: passages that respect sections, paragraphs and sentences.

A chunk never crosses a section. Where a section is longer than a chunk, it is cut at the end of a paragraph if that
leaves the chunk at least half full, else of a sentence, else of a line, and only a single line that is too long is cut
between words.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cygnet.errors import UserError
from cygnet.techniques.retrieval.documents import Document
from cygnet.techniques.retrieval.sections import Section

# A run of at most 12 letters or digits, a Chinese or Japanese character, or any other sign counts as a word: near
# enough to the pieces that encoders read, in prose and in code, without asking one.
UNSPACED = "぀-ヿ㐀-鿿"  # characters of Chinese and Japanese, between whose words there are no blanks
_WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]{{1,12}}|[^\w\s]")
_PARAGRAPH = re.compile(r"(?>\r\n|\r|\n)(?:[^\S\r\n]*(?>\r\n|\r|\n))+")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？])\s*")
_LINE = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Size:
    """How large chunks are, in words.

    words: at most. overlap: at most this many, in whole sentences, are in a chunk and in the next one of its section.

    Raises UserError when chunks could not get on.
    """

    words: int = 150
    overlap: int = 30

    def __post_init__(self) -> None:
        if self.words < 1 or not 0 <= self.overlap < self.words:
            raise UserError(
                f"chunks of {self.words} words that share {self.overlap} can't be made: "
                "the size must be at least 1 and the overlap less than the size."
            )


@dataclass(frozen=True)
class Piece:
    """A chunk of a document: `text` is the document's text from character `start` to `end`."""

    titles: tuple[str, ...]
    text: str
    start: int
    end: int


def cut(document: Document, size: Size) -> Iterator[Piece]:
    """The chunks of a document, in order; together they hold all of it but white space."""
    for section in _with_text_below(document):
        for start, end in _windows(_atoms(document.text, section, size), size):
            text = document.text[start:end]
            first = start + len(text) - len(_without_blank_lines(text))
            body = document.text[first:end].rstrip()
            if body:
                yield Piece(section.titles, body, first, first + len(body))


def count_words(text: str) -> int:
    """How many words a text counts as."""
    return sum(1 for _ in _WORD.finditer(text))


@dataclass(frozen=True)
class _Atom:
    """What is not cut: a short paragraph, a sentence, a line of a very long one. `closes`: whether a paragraph ends."""

    start: int
    end: int
    words: int
    closes: bool


def _with_text_below(document: Document) -> Iterator[Section]:
    """Sections; a heading with nothing below it but the next heading begins that one's section."""
    start: int | None = None
    for number, section in enumerate(document.sections, 1):
        start = section.start if start is None else start
        if number == len(document.sections) or not _is_heading_alone(document.text, section):
            yield Section(section.titles, start, section.end)
            start = None


def _is_heading_alone(text: str, section: Section) -> bool:
    signs = re.compile(r"[\W_]+")
    title = section.titles[-1] if section.titles else ""
    return signs.sub("", text[section.start : section.end]) == signs.sub("", title)


def _atoms(text: str, section: Section, size: Size) -> list[_Atom]:
    atoms = []
    for start, end in _split(text, section.start, section.end, _PARAGRAPH):
        inner = list(_parts(text, start, end, size))
        atoms += [_Atom(a, b, count_words(text[a:b]), b == end) for a, b in inner]
    return atoms


def _parts(text: str, start: int, end: int, size: Size) -> Iterator[tuple[int, int]]:
    """A paragraph whole if it fits into the overlap, else by sentences, those that are too long by lines, by words."""
    if count_words(text[start:end]) <= size.overlap:
        yield start, end
        return
    for sentence in _split(text, start, end, _SENTENCE):
        if count_words(text[slice(*sentence)]) <= size.words:
            yield sentence
            continue
        for line in _split(text, *sentence, _LINE):
            yield from _by_words(text, *line, size.words)


def _by_words(text: str, start: int, end: int, most: int) -> Iterator[tuple[int, int]]:
    begins = [start + found.start() for found in _WORD.finditer(text[start:end])]
    cuts = [start, *begins[most::most], end]
    yield from pairwise(cuts)


def _split(text: str, start: int, end: int, separator: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Stretches that end where a separator ends; together they are all of `start` to `end`."""
    for found in separator.finditer(text, start, end):
        if start < found.end() < end:
            yield start, found.end()
            start = found.end()
    if start < end:
        yield start, end


def _windows(atoms: Sequence[_Atom], size: Size) -> Iterator[tuple[int, int]]:
    """Stretches of neighboring atoms, each filled as far as it goes, that share their ends within the overlap."""
    first = last = 0
    while last < len(atoms):
        room = min(size.overlap, size.words - atoms[last].words)  # the next atom must still find room
        first = last - _shared(atoms[first + 1 : last], room)
        last = _fill(atoms, first, last, size)
        yield atoms[first].start, atoms[last - 1].end


def _fill(atoms: Sequence[_Atom], first: int, new: int, size: Size) -> int:
    """Where the window from atom `first` ends: after atom `new` at least, and at a paragraph's end if it can."""
    words = sum(atom.words for atom in atoms[first:new])
    last, closed = new, 0
    while last < len(atoms) and (last == new or words + atoms[last].words <= size.words):
        words += atoms[last].words
        last += 1
        if atoms[last - 1].closes and words >= size.words / 2:
            closed = last
    return last if last == len(atoms) else closed or last


def _shared(atoms: Iterable[_Atom], overlap: int) -> int:
    """How many of these atoms' last ones the next window begins with."""
    count = words = 0
    for atom in reversed(list(atoms)):
        words += atom.words
        if words > overlap:
            break
        count += 1
    return count


def _without_blank_lines(text: str) -> str:
    """Without the blank lines before it; the first line's indentation stays."""
    return re.sub(r"\A\s*[\r\n]", "", text)
