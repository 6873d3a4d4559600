"""What a corpus is made of: documents that were kept, and a record of each thing that was not."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Document:
    """One text to train or evaluate on.

    `source` is the mixture component ("docs", "code", "tasks", "own"), `origin` the module, page or task family the
    text came from, and `keys` the identities of the exercises inside it (empty where there are none).
    """

    id: str
    source: str
    text: str
    origin: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dropped:
    """Something that was read and left out: by which rule, and where it was."""

    rule: str
    origin: str
