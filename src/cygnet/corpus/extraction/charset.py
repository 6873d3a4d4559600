"""Bytes to characters: what a page says of its encoding, and what to do when that is wrong."""

import codecs

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_ONE_BYTE = ("cp125", "iso8859", "iso-8859", "windows-125", "latin", "koi8", "ascii")


def decode(data: bytes, declared: str | None = None, meta: bool = True) -> tuple[str, str]:
    """The text of `data` and the name of its encoding; never fails.

    In this order, the first that decodes without a mistake: a byte order mark; `declared` (the HTTP header's charset);
    the page's <meta> if `meta`; UTF-8; what uchardet detects; else the first of these, mistakes becoming U+FFFD. Names
    mean what browsers take them for (WHATWG: iso-8859-1 is windows-1252). Text that is UTF-8 is read as such even where
    an encoding of single bytes was declared: servers add such a header to pages unseen, and by chance no text of
    theirs is UTF-8.
    """
    for mark, name in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace"), name
    names = [*_declared(data, declared, meta), "utf-8"]
    if names[0].startswith(_ONE_BYTE):
        names.insert(0, "utf-8")
    for name in names:
        if (text := _strictly(data, name)) is not None:
            return text, name
    detected = detect_encoding(data) or "utf-8"
    if (text := _strictly(data, detected)) is not None:
        return text, detected
    return _with_mistakes(data, next((name for name in names if name != "utf-8"), detected))


def _with_mistakes(data: bytes, name: str) -> tuple[str, str]:
    text = data.decode(name, "replace")
    wrong = text.count("\ufffd")
    if name == "utf-8" and wrong > sum(not character.isascii() for character in text) - wrong:
        return data.decode("cp1252", "replace"), "cp1252"  # a stray accent here and there: the West's usual encoding
    return text, name


def _declared(data: bytes, declared: str | None, meta: bool) -> list[str]:
    named = map_encoding_to_html5(declared, fallback_utf8=False) if declared else None
    if named is None and meta and b"charset" in data[:1024].lower():
        named = detect_encoding(data[:1024], from_html_meta=True)
    return [named] if named else []


def _strictly(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (UnicodeError, LookupError):
        return None
