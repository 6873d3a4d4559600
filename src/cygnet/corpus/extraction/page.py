"""The text of one page: HTML by resiliparse or trafilatura, PDF by pypdf."""

import importlib.util
import io
from dataclasses import dataclass, field
from typing import Literal

from cygnet.corpus.extraction.charset import decode
from cygnet.corpus.extraction.lists import deepen_lists
from cygnet.corpus.extraction.whitespace import tidy

HTML = "text/html"
PDF = "application/pdf"
PDF_IS_READ = importlib.util.find_spec("pypdf") is not None  # it is an extra


@dataclass(frozen=True)
class ExtractionOptions:
    """How text is taken out of HTML.

    resiliparse keeps the indentation of code and is some fifteen times faster; trafilatura (an extra) has cleaner
    edges. `main_content` leaves out navigation, headers and footers; trafilatura always does.
    """

    extractor: Literal["resiliparse", "trafilatura"] = "resiliparse"
    main_content: bool = True


@dataclass(frozen=True)
class Page:
    """What was in a page: its text, tidied, and its title, one line. `charset` is how it was decoded ("" for PDF)."""

    text: str
    title: str = ""
    charset: str = field(default="", compare=False)


@dataclass(frozen=True)
class Unreadable:
    """A page that gave no text, by the name of a reason: "no_text", "parser_error", "parser_crashed" and so on."""

    reason: str
    detail: str = ""


def extract_html(html: bytes | str, charset: str | None = None, options: ExtractionOptions | None = None) -> str:
    """The text of a page of HTML, tidied (`whitespace.tidy`); "" where there is none.

    `charset` is what the HTTP header said. Raises what the parser raises, and a page made to hurt hangs it for
    minutes: pages from elsewhere belong into `isolated.IsolatedExtractor`.
    """
    return _read_html(html, charset, options or ExtractionOptions()).text


def read_page(data: bytes, kind: str, charset: str | None, options: ExtractionOptions) -> Page | Unreadable:
    """The page in `data`, whose `kind` is `HTML` or `PDF`. Whatever the parser raises comes as Unreadable."""
    try:
        page = _read_pdf(data) if kind == PDF else _read_html(data, charset, options)
    except Exception as error:  # noqa: BLE001 - parsers of broken files raise anything, and the next page must be read
        return Unreadable("parser_error", f"{type(error).__name__}: {error}"[:300])
    return page if page.text.strip() else Unreadable("no_text", "nothing in it is taken for content")


def _read_html(html: bytes | str, charset: str | None, options: ExtractionOptions) -> Page:
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    text, charset = decode(html, charset) if isinstance(html, bytes) else (tidy(html), "")
    tree = HTMLTree.parse(text)
    title = " ".join((tree.title or "").split())
    if options.extractor == "trafilatura":
        extracted = _by_trafilatura(text)
    else:
        if options.main_content:
            deepen_lists(tree)
        extracted = extract_plain_text(
            tree, preserve_formatting=True, main_content=options.main_content, alt_texts=False
        )
    return Page(tidy(extracted), tidy(title), charset)


def _by_trafilatura(html: str) -> str:
    import trafilatura

    return trafilatura.extract(html, include_comments=False, include_tables=True, deduplicate=False) or ""


def _read_pdf(data: bytes) -> Page:
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(data))
    text = "\n\n".join(page.extract_text() for page in reader.pages)
    title = (reader.metadata.title if reader.metadata else None) or ""
    return Page(tidy(text), tidy(" ".join(title.split())))
