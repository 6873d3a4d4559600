"""What a sandboxed program may take, and what becomes of it."""

import math
from dataclasses import dataclass

from cygnet.errors import UserError


@dataclass(frozen=True)
class Limits:
    """What a program may take.

    seconds: of wall-clock time, from the moment the code starts. cpu_seconds: of processor time, whole seconds, the
    interpreter's start included. memory: bytes of address space. output: bytes printed. file: bytes in one file.
    folder: bytes in all its files together. open_files: at once. threads: at once.
    """

    seconds: float = 5.0
    cpu_seconds: int = 5
    memory: int = 256 * 2**20
    output: int = 20_000
    file: int = 2**20
    folder: int = 8 * 2**20
    open_files: int = 32
    threads: int = 16

    def __post_init__(self) -> None:
        wrong = [f"{name}={value!r}" for name, value in vars(self).items() if not (value > 0 and math.isfinite(value))]
        if wrong:
            raise UserError(f"limits of a sandbox must be positive numbers, not {', '.join(wrong)}.")


@dataclass(frozen=True)
class Result:
    """What became of a program.

    stdout: what it printed, errors' stream included. error: why it ended, in words; empty if it ran to its end.
    seconds: of wall-clock time. isolation: what kept it in.
    """

    stdout: str
    error: str
    seconds: float
    isolation: str
