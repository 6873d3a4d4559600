"""One form of whitespace for every source."""

import re

_SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
_UNSEEN = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\u00ad\u200b\u2060\ufeff]")  # but not joiners, which some scripts need


def tidy(text: str) -> str:
    """Text in which only what means something is left of its whitespace.

    Line ends become newlines, every kind of wide or unbreakable space a space; characters without a width (soft
    hyphens, zero-width spaces, byte order marks, controls), spaces at ends of lines and empty lines beyond one go.
    What stands at the beginning of a line stays: indentation is meaning in code. Half surrogate pairs become U+FFFD.
    """
    if not text.isascii():
        text = _SPACES.sub(" ", _whole(text))
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "\n")
    lines = _UNSEEN.sub("", text).split("\n")
    text = "\n".join([line.rstrip(" \t") for line in lines]).strip("\n")
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


def _whole(text: str) -> str:
    """Half surrogate pairs can't be written as UTF-8; JSON may spell them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
