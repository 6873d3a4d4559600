"""What holds for every test: one thread, and no network. And a tokenizer and models of a few thousand parameters."""

import io
import multiprocessing
import os
import random
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings

from cygnet.errors import UserError
from cygnet.files import write_json
from cygnet.model.config import ModelConfig
from cygnet.model.transformer import ScalarModel, Transformer
from cygnet.tokens.tokenizer import Tokenizer, train_tokenizer
from cygnet.training.world import World, joined

# How long an example takes, or making it, is no part of what holds. The same code is tried with the same examples each
# time, so that a run that fails says something of a change; `pytest --hypothesis-profile search` looks for new ones.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("cygnet", settings.get_profile("search"), derandomize=True, database=None)
settings.load_profile("cygnet")

_LOCAL = {"localhost", "127.0.0.1", "::1"}
_TEXTS = ["What is it? It is a swan, or 2 + 2 = 4 swans.", "def swan(a, b):\n    return a * b\n", "Héllo, wörld 🦢"]

_TINY = [
    *("smoke", "threads=1", "depth=1", 'corpus.sources=["tasks"]', "corpus.task_documents=500"),
    *("tokens.proportions={tasks=1.0}", "tokens.train_tokens=120_000", "pretrain.rows_per_step=4"),
    *("rl.iterations=8", "rl.rollouts=8"),
]


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
def sentencepiece_model() -> bytes:
    """A tokenizer.model of SentencePiece: BPE with the bytes, some words, runs of spaces and two control tokens."""
    import sentencepiece

    texts = [*_TEXTS, "        return swan  +    2", "<s> [INST] What </s> is it? [/INST]", "café ﬁ \t"] * 3
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=written,
        model_type="bpe",
        vocab_size=380,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        control_symbols=["[INST]", "[/INST]"],
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
    )
    return written.getvalue()


@pytest.fixture(scope="session")
def pieces(sentencepiece_model: bytes, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """It, opened: a tokenizer that puts a space before texts."""
    folder = tmp_path_factory.mktemp("pieces")
    (folder / "tokenizer.model").write_bytes(sentencepiece_model)
    write_json(folder / "tokenizer_config.json", {"bos_token": "<s>", "eos_token": "</s>"})
    return Tokenizer.load(folder)


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
        model = kind(replace(config, **shape))
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
            else:
                torch.nn.init.normal_(parameter, std=0.3 if "embed" in name else parameter.shape[1] ** -0.5)
        return model

    return build


@pytest.fixture(scope="session")
def tiny() -> list[str]:
    """A recipe and settings that make the whole recipe take seconds."""
    return list(_TINY)


@pytest.fixture(scope="session")
def tiny_run(tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of it. Whoever changes anything in it copies it first."""
    from cygnet.recipe.load import load_recipe
    from cygnet.recipe.run import run_recipe

    folder = tmp_path_factory.mktemp("runs") / "smoke"
    run_recipe(load_recipe(tiny), folder, progress=False)
    return folder


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of made-up texts: enough words to hold some out."""
    folder = tmp_path_factory.mktemp("data") / "my texts"
    folder.mkdir()
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghij", k=rng.randint(2, 6))) for _ in range(300)]
    for number in range(40):
        paragraphs = (" ".join(rng.choices(words, k=60)) + "." for _ in range(40))
        (folder / f"{number}.txt").write_text("\n\n".join(paragraphs))
    return folder


Job = Callable[[World], Any]


def _child(rank: int, size: int, port: int, job: Job, patience: float, results: Any) -> None:
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    torch.set_num_threads(1)
    try:
        with joined(patience=timedelta(seconds=patience)) as world:
            results.send(job(world))
    except (UserError, KeyboardInterrupt) as error:
        results.send(error)


@pytest.fixture
def together() -> Callable[..., list[Any]]:
    """Calls a function with the world in `size` processes; returns what each returned, or the error it ended with.

    None stands for a process that was killed. Processes are forked, so that torch need not be imported again.
    """

    def together(size: int, job: Job, patience: float = 600.0) -> list[Any]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        context = multiprocessing.get_context("fork")
        pipes = [context.Pipe(duplex=False) for _ in range(size)]
        processes = [
            context.Process(target=_child, args=(rank, size, port, job, patience, pipes[rank][1]))
            for rank in range(size)
        ]
        for process in processes:
            process.start()
        for _, end in pipes:
            end.close()
        results = []
        for receiver, _ in pipes:
            try:
                results.append(receiver.recv())
            except EOFError:
                results.append(None)
        for process in processes:
            process.join()
        return results

    return together
