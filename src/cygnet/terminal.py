"""What strangers and models wrote, made fit for a terminal: there control characters act, and escape codes lie."""

_JOINERS = "\u200c\u200d"  # between letters of Persian, inside of emoji


def printable(text: str, keep: str = "") -> str:
    """`text` with a blank for every character that isn't printable, but for those in `keep`."""
    kept = keep + _JOINERS
    return "".join(each if each.isprintable() or each in kept else " " for each in text)
