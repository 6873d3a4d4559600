"""The text that a reader sees of an HTML page, and its headings."""

import re
from html.parser import HTMLParser

from cygnet.techniques.retrieval.sections import Heading, Section, under_headings

_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_PARAGRAPHS = _HEADINGS | {"p", "div", "section", "article", "main", "ul", "ol", "dl", "table", "blockquote", "pre"}
_LINES = {"br", "li", "tr", "dt", "dd", "hr", "option", "caption", "figcaption", "summary"}
_HIDDEN = {"script", "style", "template", "svg", "nav"}
_SPACE = re.compile(r"\s+")


def html_document(markup: str) -> tuple[str, tuple[Section, ...]]:
    """A page's text, paragraphs set apart by blank lines, and its sections.

    Scripts, styles and navigation are left out. The page's title is the outermost one unless the page has an h1.
    """
    page = _Page()
    page.feed(markup)
    page.close()
    text = page.text()
    has_top = any(heading.level == 1 for heading in page.headings)
    root = (page.title,) if page.title and not has_top else ()
    return text, tuple(under_headings(page.headings, len(text), root))


class _Page(HTMLParser):
    """Collects text; every break is put off until more text comes, so none is doubled."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.headings: list[Heading] = []
        self.title = ""
        self._parts: list[str] = []
        self._length = 0
        self._break = ""
        self._hidden = self._preformatted = 0
        self._in_title = False
        self._heading: tuple[int, int, int] | None = None  # of the one we are in: level, where it begins, which part

    def text(self) -> str:
        """Everything so far."""
        return "".join(self._parts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the base's
        """Begin a paragraph, a line, a heading, or something hidden."""
        self._hidden += tag in _HIDDEN
        self._preformatted += tag == "pre"
        self._in_title = tag == "title"
        self._separate(tag)
        if tag in _HEADINGS and not self._hidden:
            start = self._length + len(self._break if self._parts else "")
            self._heading = int(tag[1]), start, len(self._parts)

    def handle_endtag(self, tag: str) -> None:
        """End what was begun; an end without a beginning changes nothing."""
        self._hidden -= tag in _HIDDEN and self._hidden > 0
        self._preformatted -= tag == "pre" and self._preformatted > 0
        self._in_title = False
        if tag in _HEADINGS and self._heading:
            level, start, part = self._heading
            title = _SPACE.sub(" ", "".join(self._parts[part:])).strip()
            if title:
                self.headings.append(Heading(level, title, start))
            self._heading = None
        self._separate(tag)

    def handle_data(self, data: str) -> None:
        """Add text; outside of `pre` white space is one blank."""
        if self._hidden:
            return
        if self._in_title:
            self.title = _SPACE.sub(" ", self.title + data).strip()
        elif self._preformatted:
            self._add(data)
        else:
            words = _SPACE.sub(" ", data)
            if words.startswith(" "):
                self._break = self._break or " "
            if core := words.strip(" "):
                self._add(core)
                self._break = " " if words.endswith(" ") else ""

    def _separate(self, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self._break = "\n\n"
        elif tag in _LINES and self._break != "\n\n":
            self._break = "\n"
        elif tag in {"td", "th"} and not self._break:
            self._break = " "

    def _add(self, piece: str) -> None:
        piece = (self._break if self._parts else "") + piece
        self._break = ""
        self._parts.append(piece)
        self._length += len(piece)
