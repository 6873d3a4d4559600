"""C4's list of words: a page that has one is dropped. No list comes with cygnet; name a file of your own.

C4 used the "List of Dirty, Naughty, Obscene, and Otherwise Bad Words" (github.com/LDNOOBW), one entry a line.
"""

import re
from pathlib import Path

from cygnet.corpus.quality.rules import Rule
from cygnet.errors import UserError

# To be added to a preset's rules, and "bad_words" to the metrics, where such a list is used.
BAD_WORDS = Rule("c4_bad_words", "bad_words", "<=", 0)


class BadWords:
    """A list of words and phrases, one a line of a UTF-8 file; it counts those in a text.

    Raises:
        UserError: when the file can't be read or has no entry.
    """

    def __init__(self, path: Path) -> None:
        try:
            entries = path.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"the list of words {path} can't be read: {error}") from error
        words = {entry.strip().lower() for entry in entries} - {""}
        if not words:
            raise UserError(f"the list of words {path} is empty. Give one entry a line, or no list.")
        # longest first, so that of two entries that begin alike the longer is found; neighbours may share a space
        ordered = sorted(words, key=lambda word: (-len(word), word))
        self._pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, ordered))})(?!\w)")

    def count(self, text: str) -> float:
        """How often entries occur in a text as words of their own, whatever their case: the metric "bad_words"."""
        return float(len(self._pattern.findall(text.lower())))
