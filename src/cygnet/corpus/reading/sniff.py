"""Whether bytes are HTML: by what HTTP called them, and where that says nothing, by what they are."""

import codecs
import re

from resiliparse.parse.encoding import detect_mime

_HTML = ("text/html", "application/xhtml+xml")
_SAYS_NOTHING = ("", "application/octet-stream", "text/xml", "application/xml", "unknown/unknown")
_TAGS = re.compile(rb"<(?:!doctype\s+html|html|head|body)[\s>]", re.IGNORECASE)
_BINARY = re.compile(r"image/|audio/|video/|application/(?:pdf|zip|gzip|x-)")
_HEAD = 1024  # bytes looked at


def media_type(header: str) -> str:
    """`text/html` of `Text/HTML; charset=utf-8`."""
    return header.partition(";")[0].strip().lower()


def not_html(header: str, data: bytes) -> str | None:
    """None if this is a page of HTML, otherwise what it is, by its Content-Type or its first bytes."""
    declared, head = media_type(header), data[:_HEAD]
    if declared in _HTML:
        return binary_kind(head)
    if declared in _SAYS_NOTHING and _TAGS.search(head):
        return binary_kind(head)
    return declared or detect_mime(head)


def binary_kind(data: bytes) -> str | None:
    """The type of something that is no text, None for text."""
    head = data[:_HEAD]
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return None
    kind = detect_mime(head)
    if _BINARY.match(kind):
        return kind
    return "application/octet-stream" if b"\0" in head else None
