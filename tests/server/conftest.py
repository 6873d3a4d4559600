import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from cygnet import Sampling, UserError
from cygnet.lm.base import LanguageModel, Prompt, Reply, Usage
from cygnet.server.app import build_app

_DEFAULT = Sampling()

Serving = Callable[..., AbstractContextManager[str]]


@contextmanager
def serving(model: LanguageModel, **settings: Any) -> Iterator[str]:
    """The server in a thread, at the URL that is given."""
    config = uvicorn.Config(build_app(model, **settings), port=0, log_level="error", ws="none", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def serve() -> Serving:
    return serving


class Scripted(LanguageModel):
    """Says what it is told to, a word at a time, and waits before each batch or word until it may go on."""

    def __init__(self, said: str = "It is a swan.") -> None:
        self.name, self.said = "scripted", said
        self.go, self.began, self.closed = threading.Event(), threading.Event(), threading.Event()
        self.go.set()
        self.batches: list[list[Prompt]] = []
        self.wrote = 0

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling | Sequence[Sampling] = _DEFAULT, n: int = 1
    ) -> list[list[Reply]]:
        self.batches.append(list(prompts))
        self.began.set()
        self.go.wait()
        if any(prompt == "too long" for prompt in prompts):
            raise UserError("it has too many tokens.")
        return [[Reply(f"{self.said} ({prompt})", "stop", Usage(1, 2))] * n for prompt in prompts]

    def stream(self, prompt: Prompt, sampling: Sampling = _DEFAULT) -> Generator[str, None, Reply]:
        if self.said == "raise":
            raise ValueError("a secret")
        if prompt == "too long":
            raise UserError("it has too many tokens.")
        try:
            for number, word in enumerate(self.said.split(" ")):
                self.began.set()
                self.wrote += 1
                yield f"{' ' * bool(number)}{word}"
                self.go.wait()
        finally:
            self.closed.set()
        return Reply(self.said, "stop", Usage(1, 2))

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str], top: int = 0) -> list[Reply]:
        raise UserError("it can't score.")


@pytest.fixture
def scripted(serve: Serving) -> Iterator[tuple[Scripted, httpx.Client]]:
    model = Scripted()
    with serve(model) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield model, client
        model.go.set()
