"""The pages of `crawl_pydoc` as records: what is documentation in them, the same on every machine with this Python."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cygnet.corpus.extraction.isolated import Extract
from cygnet.corpus.extraction.page import HTML, Unreadable
from cygnet.corpus.pieces import split_text
from cygnet.corpus.python_docs import COMPILED
from cygnet.corpus.reading.config import PydocSource
from cygnet.corpus.reading.crawled import damaged, newest_fetches
from cygnet.corpus.reading.warc_file import Damage
from cygnet.corpus.records import Record, Skipped
from cygnet.corpus.standard_library import PUBLIC_NAMES

_HOST = "http://pydoc.localhost"  # for the one it was served from, whose port is another each time
_MOST_BYTES = 100_000_000
_INDEXES = ("Index of Modules", "Topics", "Keywords")
_PUBLIC = COMPILED | PUBLIC_NAMES

# In the markup of pydoc, spaces within documentation are &nbsp;: words with spaces between them are its own.
_SECTION_END = r"</td>\s*</tr>\s*</table>"
_LEFT_OUT = re.compile(
    "|".join(
        (
            r"(?<=<body>).*?(?=<div style=\"clear:both)",  # the version, the machine, and a menu
            r'<table class="heading">.*?</table>',  # the page's title, and where the file lies on this machine
            # values are this machine's; who wrote it; and where else to go
            rf'<table class="section">\s*<tr class="decor (?:data|author|credits)-decor .*?{_SECTION_END}',
            rf'<table class="section">\s*<tr class="decor pkg-content-decor .*?{_SECTION_END}\s*{_SECTION_END}',
            rf"<table[^>]*>\s*<tr[^>]*>\s*<td[^>]*>&nbsp;<br>\s*Related help topics.*?{_SECTION_END}\s*{_SECTION_END}",
            r'<strong class="bigsection">.*?</strong>',  # Classes, Functions
            r'(?<=<td class="singlecolumn">)<dl>\s*<dt class="heading-text">.*?(?=<p>\s*<table class="section">)',
            r"<dl><dt>Method resolution order:</dt>.*?</dl>",
            r"<dl><dt><strong>__(?:dict|weakref)__</strong></dt>.*?</dl>",
            # what other classes document, and values again
            r"[A-Z][a-z]+(?: [a-z]+)* inherited from .*?(?=<hr>|</td></tr></table>)",
            r"Data and other attributes .*?(?=<hr>|</td></tr></table>)",
            r"[A-Z][a-z]+(?: [a-z]+)* defined here:<br>",
            r'<td[^>]*>(?:<span class="code">)?(?:&nbsp;)+(?:</span>)?</td>',  # for looks
        )
    ),
    re.DOTALL,
)
_ENTRY = re.compile(r"<dl>(?=<dt>)")
# where an object, or a module's file, lies, in an argument's default
_PLACE = re.compile(r"(?: at 0x[0-9a-f]{6,16}| from '/[^'\n]+')(?=[>;]|&gt;)")
_EXECUTABLE = re.compile(r"(?<=executable=)'/[^'\n]+'")


def read_pydoc(source: str, paths: Sequence[Path], config: PydocSource, extract: Extract) -> Iterator[Record | Skipped]:
    """The pages in order of their addresses, cut at blank lines into texts that begin with the page's title.

    Metadata are `title`, `origin`, which is the module or `reference/<topic>`, and the `unit` that it is held out with,
    as in `read_python`.
    """
    for found in newest_fetches(source, paths, _MOST_BYTES):
        if isinstance(found, Skipped):
            yield found
            continue
        path, entry = found
        if isinstance(entry, Damage):
            yield damaged(source, path, entry)
        elif entry.payload is None:
            yield Skipped(source, entry.url, "too_long", f"{entry.length} bytes")
        else:
            yield from _texts(source, entry.url, entry.payload.decode(), config.most_characters, extract)


def _texts(source: str, served: str, html: str, most: int, extract: Extract) -> Iterator[Record | Skipped]:
    from cygnet.corpus.crawl.pydoc_site import topics  # here, because the whole crawler comes with it

    parts = urlsplit(served)
    name = parts.query.removeprefix("key=") if parts.query else unquote(parts.path[1:]).removesuffix(".html")
    url = f"{_HOST}{parts.path}{'?' if parts.query else ''}{parts.query}"
    page = extract(_documentation(html).encode(), HTML, "utf-8")
    if isinstance(page, Unreadable):
        yield Skipped(source, url, page.reason, page.detail)
        return
    title = page.title.removeprefix("Pydoc: ")
    if title in _INDEXES or title.startswith("Error - "):
        yield Skipped(source, url, "index_page" if title in _INDEXES else "error_page", title)
        return
    origin = f"reference/{topics().get(name, name)}" if parts.query else _PUBLIC.get(name, name)
    known = {"title": title, "origin": origin, "unit": origin.partition(".")[0]}
    text = _EXECUTABLE.sub("sys.executable", _PLACE.sub("", page.text))
    for number, piece in enumerate(split_text(text, most - len(title) - 2)):
        yield Record(source, f"{url}#{number}", f"{title}\n\n{piece}", known)


def _documentation(html: str) -> str:
    """The page without what is not documentation, and with a blank line before each entry."""
    return _ENTRY.sub("<p></p><dl>", _LEFT_OUT.sub("", html))
