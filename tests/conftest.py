"""What holds for every test: one thread, and no network. And a tokenizer and models of a few thousand parameters."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from cygnet.model.config import ModelConfig
from cygnet.model.transformer import ScalarModel, Transformer
from cygnet.tokens.tokenizer import Tokenizer, train_tokenizer

_LOCAL = {"localhost", "127.0.0.1", "::1"}
_TEXTS = ["What is it? It is a swan, or 2 + 2 = 4 swans.", "def swan(a, b):\n    return a * b\n", "Héllo, wörld 🦢"]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    connect = socket.socket.connect

    def connect_locally(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in _LOCAL:
            raise AssertionError(f"a test tried to reach {address}: tests use no network")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_locally)
        yield


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """300 tokens: the bytes, the special tokens and a few words."""
    return train_tokenizer(_TEXTS * 3, 300)


Build = Callable[..., Any]


@pytest.fixture(scope="session")
def build(tokenizer: Tokenizer) -> Build:
    """Makes a small model whose every parameter is random, so that nothing in it passes its input through unchanged."""

    def build(kind: type[Transformer | ScalarModel] = Transformer, seed: int = 0, **shape: int) -> Any:
        torch.manual_seed(seed)
        depth, context_length = shape.pop("depth", 2), shape.pop("context_length", 64)
        config = ModelConfig.from_depth(depth, tokenizer.vocab_size, context_length)
        model = kind(ModelConfig(**{**config.to_json(), **shape}))
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
            else:
                torch.nn.init.normal_(parameter, std=0.3 if "embed" in name else parameter.shape[1] ** -0.5)
        return model

    return build
