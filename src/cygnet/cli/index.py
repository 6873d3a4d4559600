"""`cygnet index`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def index(
    *places: Path,
    out: Annotated[Path, Parameter(alias="-o")],
    embedder: str | None = None,
    words: int | None = None,
    overlap: int | None = None,
) -> None:
    """Index documents for search, or bring an index up to date: only what has changed is read and embedded again.

    Parameters
    ----------
    places:
        Files and folders: Markdown, HTML, plain text, reStructuredText, Python, JSON Lines with "text".
    out:
        The index, one file.
    embedder:
        What makes vectors, to search by meaning too: minilm, a model folder, or http://host/v1#model. By default
        none: search is by words. It holds for good.
    words:
        Length of a passage at most; 150 by default. It holds for good.
    overlap:
        Words at most that a passage shares with the one before; 30 by default. It holds for good.
    """
    from cygnet.errors import UserError
    from cygnet.techniques.retrieval.build import build_index
    from cygnet.techniques.retrieval.chunks import Size
    from cygnet.techniques.retrieval.summary import index_summary

    if not places:
        raise UserError("say what to index: cygnet index FOLDER --out INDEX.")
    given = {name: value for name, value in (("words", words), ("overlap", overlap)) if value is not None}
    print(index_summary(build_index(places, out, embedder=embedder, size=Size(**given) if given else None), out))
