"""A language model of our own as an embedder: the mean of its last hidden states."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from cygnet.files import sha256_of
from cygnet.lm.embedder import Embedder, Vectors, unit_length
from cygnet.model.adapter_folder import base_of
from cygnet.model.folder import load_language_model
from cygnet.model.kind import is_adapter

_TOGETHER = 32


class FolderEmbedder(Embedder):
    """The mean, over a text's tokens, of what the model's head reads. Longer texts are read a context at a time.

    The mean of all texts' vectors is not taken off: those of a language model share a direction (Ethayarajh 2019, arXiv
    1909.00512), so cosines are high everywhere and only their order says something. A model trained to embed does
    better. The name holds the weights' hash: a model that was trained on is another embedder.

    Raises UserError when the folder is missing, damaged or of another kind.
    """

    def __init__(self, folder: Path) -> None:
        self._model, self._tokenizer = load_language_model(folder)
        self.address = str(folder.resolve())
        self.name = f"language model {hashlib.sha256(_weights(folder).encode()).hexdigest()[:16]}"

    def embed(self, texts: Sequence[str]) -> Vectors:
        """N texts → [N, D], of length 1."""
        start_ids = self._tokenizer.start
        stretch = self._model.config.context_length - len(start_ids)
        windows: list[list[int]] = []
        owners: list[int] = []
        for owner, text in enumerate(texts):
            ids = self._tokenizer.encode(text, begins=True)
            for start in range(0, len(ids), stretch):
                windows.append([*start_ids, *ids[start : start + stretch]])
                owners.append(owner)
        sums = np.zeros((len(texts), self._model.config.width), dtype=np.float64)
        order = sorted(range(len(windows)), key=lambda index: len(windows[index]))
        for start in range(0, len(order), _TOGETHER):
            members = order[start : start + _TOGETHER]
            np.add.at(sums, [owners[index] for index in members], self._sums([windows[index] for index in members]))
        return unit_length(sums, self.name)  # a sum has the mean's direction

    @torch.no_grad()
    def _sums(self, windows: list[list[int]]) -> Vectors:
        """For each window the sum of the states of the text's tokens; what begins every text is left out."""
        rows = pad_sequence([torch.tensor(window) for window in windows], batch_first=True)
        states = self._model.features(rows).float()  # causal: what pads on the right is not seen
        lengths = torch.tensor([len(window) for window in windows])
        places = torch.arange(rows.shape[1])
        inside = (places >= len(self._tokenizer.start)) & (places < lengths[:, None])
        sums: Vectors = (states * inside[:, :, None]).sum(1).numpy()
        return sums


def _weights(folder: Path) -> str:
    """The hashes of all weights that an embedding depends on: with an adapter's, those of its base."""
    own = "".join(sha256_of(path) for path in sorted(folder.glob("*.safetensors")))
    return own + _weights(base_of(folder)) if is_adapter(folder) else own
