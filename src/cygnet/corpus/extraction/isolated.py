"""Parsing in a process that may crash or hang: pages that bring it down are reported, and the next one is read."""

import contextlib
import importlib.util
import signal
import subprocess
import sys
from types import TracebackType
from typing import Protocol, Self

from cygnet.corpus.extraction.child import NOT_INSTALLED
from cygnet.corpus.extraction.frames import receive, send
from cygnet.corpus.extraction.page import ExtractionOptions, Page, Unreadable, read_page
from cygnet.errors import UserError

CPU_SECONDS = 10.0  # for one page; of real ones, 99 in 100 take less than a fiftieth of a second
MEMORY_BYTES = 4 << 30  # of address space


class Extract(Protocol):
    """Turns the bytes of a page into text. `kind` is `page.HTML` or `page.PDF`, `charset` what HTTP said."""

    def __call__(self, data: bytes, kind: str, charset: str | None = None) -> Page | Unreadable:
        """Never raises for what is in `data`."""
        ...


class IsolatedExtractor:
    """An `Extract` that parses in one child process, which is kept, and replaced when a page ended it.

    Resiliparse takes minutes for 100,000 nested elements or attributes, and native code can't be interrupted, so the
    child runs under limits of the system: `seconds` of CPU time a page ("parser_timeout") and `memory` bytes of address
    space; what else ends it is "parser_crashed". Limits of CPU time, not of the clock, because a busy machine must not
    lose pages. Close it, or use it in a `with`. It needs a Unix.

    Raises:
        UserError: when the options' extractor isn't installed.
    """

    def __init__(
        self, options: ExtractionOptions | None = None, seconds: float = CPU_SECONDS, memory: int = MEMORY_BYTES
    ) -> None:
        self.options = options or ExtractionOptions()
        if importlib.util.find_spec(self.options.extractor) is None:
            raise UserError(self._missing())
        self._arguments = [self.options.extractor, str(self.options.main_content), str(seconds), str(memory)]
        self._child: subprocess.Popen[bytes] | None = None

    def __call__(self, data: bytes, kind: str, charset: str | None = None) -> Page | Unreadable:
        """The text of a page, or why there is none."""
        child = self._child = self._child or self._start()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            send(child.stdin, {"kind": kind, "charset": charset}, data)
            answer = receive(child.stdout)
        except BrokenPipeError:
            answer = None
        except BaseException:  # Ctrl-C between question and answer: the next answer would be to this question
            self.close()
            raise
        if answer is None:
            return self._ended(child)
        head, text = answer
        if "reason" in head:
            return Unreadable(head["reason"], head["detail"])
        return Page(text.decode(), head["title"], head["charset"])

    def _missing(self) -> str:
        return f"{self.options.extractor} is not installed, or not whole: pip install 'cygnet[trafilatura]'."

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "cygnet.corpus.extraction.child", *self._arguments]
        return subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def _ended(self, child: "subprocess.Popen[bytes]") -> Unreadable:
        """What a child that gave no answer died of."""
        self.close()
        code = child.returncode
        if code == NOT_INSTALLED:
            raise UserError(self._missing())
        if code == -signal.SIGPROF:
            return Unreadable("parser_timeout", f"more than {self._arguments[2]} s of CPU time")
        ended = f"signal {-code}, {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        return Unreadable("parser_crashed", ended)

    def close(self) -> None:
        """End the child. A closed extractor starts another when it is called again."""
        child, self._child = self._child, None
        if child is None:
            return
        for stream in (child.stdin, child.stdout):
            with contextlib.suppress(BrokenPipeError):
                stream.close()  # type: ignore[union-attr]
        try:
            child.wait(timeout=1)  # it ends with its input; and one that died says what of
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def extract_here(data: bytes, kind: str, charset: str | None = None) -> Page | Unreadable:
    """An `Extract` in this process, for pages that one has made oneself."""
    return read_page(data, kind, charset, ExtractionOptions())
