"""`cygnet search`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def search(
    index: Path, query: str, /, *, count: Annotated[int, Parameter(alias="-n")] = 5, embedder: str | None = None
) -> None:
    """Search an index: the best passages, where they are, and how well they fit.

    Parameters
    ----------
    index:
        A file made by `cygnet index`.
    query:
        What to look for.
    count:
        How many passages to show.
    embedder:
        Where the index's embedder is now, if it has moved.
    """
    from cygnet.techniques.retrieval.search import Index
    from cygnet.techniques.retrieval.summary import hits_shown

    with Index(index, embedder) as opened:
        print(hits_shown(opened.search(query, count), opened.count()))
