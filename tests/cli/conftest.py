"""A command line that runs in this process."""

from collections.abc import Callable
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
