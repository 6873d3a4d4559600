"""What flows through the corpus: one text as a source gave it, and one thing that was read and gives no text."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Record:
    """One text: `source` by its name in corpus.toml, `url` a URL or path#row, `metadata` whatever else is known of it.

    What `metadata` may hold (strings only): title, date, license, content_type, charset and the columns that a source
    was told to carry along.
    """

    source: str
    url: str
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Skipped:
    """Something that was read and gives no text: where it was, by which named `reason`, and what was found there."""

    source: str
    url: str
    reason: str
    detail: str = ""
