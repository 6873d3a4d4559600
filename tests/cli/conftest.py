"""A command line that runs in this process."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from cygnet.cli.main import run_command


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Cygnet = Callable[..., Outcome]


@pytest.fixture
def cygnet(capsys: pytest.CaptureFixture[str]) -> Cygnet:
    def run(*arguments: object) -> Outcome:
        code = run_command([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return run


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
