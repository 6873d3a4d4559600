"""Where the sections of a text begin, and under which titles they stand: Markdown, reStructuredText, Python, plain."""

import ast
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

_LINE_END = re.compile(r"\r\n|\r|\n")
_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n.*?^(?:---|\.\.\.)[ \t]*$", re.DOTALL | re.MULTILINE)
_ADORNMENT = re.compile(r"([!-/:-@[-`{-~])\1+[ \t]*")

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Section(NamedTuple):
    """Characters `start` to `end` of a text, and the titles above them, the outermost first."""

    titles: tuple[str, ...]
    start: int
    end: int


class Heading(NamedTuple):
    """A heading: 1 is the highest level; `start`: where its line begins."""

    level: int
    title: str
    start: int


def plain(text: str, titles: tuple[str, ...] = ()) -> list[Section]:
    """The whole text as one section."""
    return [Section(titles, 0, len(text))]


def under_headings(headings: Sequence[Heading], end: int, root: tuple[str, ...] = ()) -> list[Section]:
    """A section from each heading to the next, under the titles of the headings that enclose it."""
    sections = [Section(root, 0, headings[0].start if headings else end)]
    above: list[Heading] = []
    stops = [*(heading.start for heading in headings[1:]), end]
    for heading, stop in zip(headings, stops, strict=False):
        above = [*(outer for outer in above if outer.level < heading.level), heading]
        sections.append(Section((*root, *(outer.title for outer in above)), heading.start, stop))
    return [section for section in sections if section.start < section.end]


def markdown(text: str) -> list[Section]:
    """CommonMark, by its headings; a front matter between lines of --- is left to the first section."""
    starts = _line_starts(text)
    hidden = _FRONT_MATTER.match(text)
    shown = re.sub(r"[^\r\n]", "", hidden[0]) + text[hidden.end() :] if hidden else text
    tokens = MarkdownIt("commonmark").parse(shown)
    headings = [
        Heading(int(token.tag[1]), _words(inline), starts[token.map[0]])
        for token, inline in pairwise(tokens)
        if token.type == "heading_open" and token.level == 0 and token.map
    ]
    return under_headings(headings, len(text))


def restructured_text(text: str) -> list[Section]:
    """By titles underlined, or under- and overlined, with punctuation; levels in the order in which they come up."""
    starts = _line_starts(text)
    lines = ["", *(text[start:end].rstrip("\r\n") for start, end in pairwise([*starts, len(text)])), "", ""]
    styles: list[tuple[str, bool]] = []
    headings = []
    for number in range(1, len(lines) - 2):
        before, title, under = lines[number - 1 : number + 2]
        line = _ADORNMENT.fullmatch(under)
        if not line or not title.strip() or _ADORNMENT.fullmatch(title) or len(under.rstrip()) < len(title.rstrip()):
            continue
        over = before.rstrip() == under.rstrip()
        if over or (not before.strip() and not title[0].isspace()):
            style = (line[1], over)
            styles += [] if style in styles else [style]
            headings.append(Heading(styles.index(style) + 1, title.strip(), starts[number - 1 - over]))
    return under_headings(headings, len(text))


def python(text: str) -> list[Section]:
    """Functions, classes and methods; comments go with the definition below them. What is no Python 3 is plain text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong with other people's code is not our reader's concern
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return plain(text)
    starts = [*_line_starts(text), len(text)]
    cuts = [(starts[line], titles) for line, titles in [(0, ()), *_definitions(tree.body, 0, ())]]
    ends = [*(start for start, _ in cuts[1:]), len(text)]
    return [Section(titles, start, end) for (start, titles), end in zip(cuts, ends, strict=True) if start < end]


def _definitions(body: Iterable[ast.stmt], line: int, titles: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(line, titles) wherever the titles change; lines from 0. `line`: where what contains the body begins."""
    inside = False  # whether the last statement was a definition
    for node in body:
        if isinstance(node, _Definition):
            inner = (*titles, node.name)
            yield line, inner
            if isinstance(node, ast.ClassDef):
                yield from _definitions(node.body, line, inner)
        elif inside:
            yield line, titles
        inside = isinstance(node, _Definition)
        line = node.end_lineno or line


def _line_starts(text: str) -> list[int]:
    return [0, *(found.end() for found in _LINE_END.finditer(text))]


def _words(inline: Token) -> str:
    """A heading's text without its markup."""
    return "".join(
        " " if part.type == "softbreak" else part.content
        for part in inline.children or ()
        if part.type in {"text", "code_inline", "softbreak"}
    )
