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
        For search by meaning too: minilm, a model folder or http://host/v1#model. It holds for good. [default: none]
    words:
        Length of a passage at most. It holds for good. [default: 150]
    overlap:
        Words at most that a passage shares with the one before. It holds for good. [default: 30]
    """
    from cygnet.errors import UserError
    from cygnet.techniques.retrieval.build import build_index
    from cygnet.techniques.retrieval.chunks import Size
    from cygnet.techniques.retrieval.summary import index_summary

    if not places:
        raise UserError("say what to index: cygnet index FOLDER --out INDEX.")
    given = {name: value for name, value in (("words", words), ("overlap", overlap)) if value is not None}
    print(index_summary(build_index(places, out, embedder=embedder, size=Size(**given) if given else None), out))
