"""Embedders behind any server with OpenAI's /v1/embeddings: hosted, vLLM, llama.cpp, Ollama."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cygnet.errors import UserError
from cygnet.lm.address import parse_address, read_key
from cygnet.lm.connection import Connection
from cygnet.lm.embedder import Embedder, Vectors, unit_length

_TOGETHER = 64  # texts in one request
_PATIENCE = 600.0  # seconds without a byte


class EndpointEmbedder(Embedder):
    """An embedding model at an address like "http://host:8000/v1#model".

    key_variable: the environment variable with the key; None: OPENAI_API_KEY if it is set. A server that changes its
    model but not the model's name can't be noticed.

    Raises UserError for an address or key that can't be right, and when the address names no model.
    """

    def __init__(self, address: str, key_variable: str | None = None) -> None:
        url, model = parse_address(address)
        if model is None:
            raise UserError(f'{url} may have many models: say which one embeds, as in "{url}#model".')
        self._model, self.name, self.address = model, f"{model} at {url}", f"{url}#{model}"
        self._connection = Connection(url, read_key(key_variable), _PATIENCE, 1)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """N texts → [N, D], of length 1. Raises UserError for whatever the server refuses or leaves out."""
        rows: list[Any] = []
        for start in range(0, len(texts), _TOGETHER):
            asked = list(texts[start : start + _TOGETHER])
            answer = self._connection.post("/embeddings", {"model": self._model, "input": asked})
            rows += self._rows(answer, len(asked))
        return unit_length(self._array(rows), self.name)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _rows(self, answer: dict[str, Any], expected: int) -> list[Any]:
        """The vectors of one answer in the order asked for, which the server tells by `index`."""
        try:
            found = {int(item["index"]): item["embedding"] for item in answer["data"]}
            return [found[index] for index in range(expected)]
        except (LookupError, TypeError, ValueError) as error:
            raise UserError(f"{self.name}: the answer does not hold {expected} embeddings in OpenAI's form.") from error

    def _array(self, rows: list[Any]) -> Vectors:
        try:
            array = np.array(rows, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise UserError(f"{self.name}: the embeddings are not lists of numbers of one length.") from error
        if array.ndim != 2 or not array.size:
            raise UserError(f"{self.name}: the embeddings are not lists of numbers of one length.")
        return array
