"""Watching a sandboxed process from outside: time, output, files and threads, which no resource limit counts."""

import os
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from cygnet.techniques.tools.limits import Limits

_LOOK_EVERY = 0.02  # seconds
_SETTING_UP = 60.0  # seconds until the child must be ready, on a busy machine
_SMALLEST_FILE = 4096  # bytes that even an empty file counts as


@dataclass(frozen=True)
class Ending:
    """How a child ended.

    ready: whether it was set up and the code began. report: what it said of itself. why: for what it was killed, or
    empty. status: exit status, negative for a signal. seconds: from the code's beginning.
    """

    ready: bool
    output: str
    report: str
    why: str
    status: int
    seconds: float


@dataclass
class _Child:
    process: subprocess.Popen[bytes]
    folder: Path
    limits: Limits
    began: float = field(default_factory=time.monotonic)
    ready: bool = False
    output: bytes = b""
    report: bytes = b""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def hear(self, data: bytes, *, from_report: bool) -> None:
        if not from_report:
            self.output += data
            return
        self.report = (self.report + data)[: self.limits.output]
        if not self.ready and self.report.startswith(b"ready\n"):
            self.ready, self.began = True, time.monotonic()
            self.report = self.report.removeprefix(b"ready\n")

    def too_much(self) -> str:
        """Which limit it has passed, in words; empty if none."""
        if not self.ready:
            return "setting up took too long" if self.seconds > _SETTING_UP else ""
        if self.seconds > self.limits.seconds:
            return f"took longer than {self.limits.seconds:g} s"
        if len(self.output) > self.limits.output:
            return f"printed more than {self.limits.output} bytes"
        if _size(self.folder) > self.limits.folder:
            return f"wrote more than {self.limits.folder} bytes of files"
        if _threads(self.process.pid) > self.limits.threads:
            return f"started more than {self.limits.threads} threads"
        return ""


def watch(process: subprocess.Popen[bytes], request: bytes, report: int, folder: Path, limits: Limits) -> Ending:
    """Send a child its request and stay with it until it ends, or kill it when it passes a limit."""
    child = _Child(process, folder, limits)
    with process:
        try:
            with suppress(BrokenPipeError), cast(IO[bytes], process.stdin) as stdin:
                stdin.write(request)
            why = _listen(child, report)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
    output = child.output[: limits.output].decode(errors="replace")
    return Ending(child.ready, output, child.report.decode(errors="replace").strip(), why, status, child.seconds)


def _listen(child: _Child, report: int) -> str:
    """Read both pipes until the child has ended; or say which limit it passed."""
    with selectors.DefaultSelector() as pipes:
        pipes.register(cast(IO[bytes], child.process.stdout), selectors.EVENT_READ)
        pipes.register(report, selectors.EVENT_READ)
        while pipes.get_map():
            for key, _ in pipes.select(_LOOK_EVERY):
                data = os.read(key.fd, 2**16)
                child.hear(data, from_report=key.fd == report)
                if not data:
                    pipes.unregister(key.fileobj)
            if why := child.too_much():
                return why
    while True:  # it may have closed its pipes and gone on
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(_LOOK_EVERY)
            return ""
        if why := child.too_much():
            return why


def _size(folder: Path) -> int:
    """Bytes that the files of a flat folder take."""
    total = 0
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):
            total += max(entry.stat(follow_symlinks=False).st_blocks * 512, _SMALLEST_FILE)
    return total


def _threads(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}/task").stat().st_nlink - 2
    except FileNotFoundError:  # it has ended
        return 0
