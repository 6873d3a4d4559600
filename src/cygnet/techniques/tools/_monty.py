"""Monty: an interpreter of a part of Python that was built without files, network and processes.

https://github.com/pydantic/monty, MIT, written in Rust. It runs in a process of its own, which is ended after each
program. What keeps the code in is that the interpreter has no way out, not the kernel: a mistake in it would be one in
this sandbox, so where the kernel can lock code in, that is taken.

Of the limits, seconds, memory and output count: there are no files and threads. Time asleep is counted apart, so a
program may take twice the seconds.
"""

import importlib.metadata
import math
import time
from typing import TYPE_CHECKING

from cygnet.errors import UserError
from cygnet.techniques.tools.limits import Limits, Result

if TYPE_CHECKING:
    from pydantic_monty import MontyRuntimeError, MontySyntaxError, OSPolicy, ResourceLimits

_PACKAGE, _MINOR = "pydantic-monty", "1.4."  # names of limits have changed between minor versions
MODULES = (
    "asyncio, base64, bisect, collections, copy, csv, dataclasses, datetime, decimal, functools, hashlib, itertools, "
    "json, math, random, re, time, typing, unicodedata"
)
_SLEEP: "OSPolicy" = {"sleep_system_max": math.inf}  # no sleep is cut short in silence: all together have a limit
# What a model is told of it.
SCOPE = (
    f"A part of Python runs (kept in by Monty): no inheritance, no yield, no del, no files; of the standard library "
    f"there are {MODULES}."
)


def missing() -> str | None:
    """What this machine lacks for it; None if nothing."""
    try:
        version = importlib.metadata.version(_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return f"the package {_PACKAGE} is not installed"
    if not version.startswith(_MINOR):
        return f"{_PACKAGE} {_MINOR}x is needed, and {version} is installed"
    return None


def isolation() -> str:
    """What keeps the code in, in words."""
    return (
        f"Monty {importlib.metadata.version(_PACKAGE)}, an interpreter of a part of Python without files, network and "
        "processes, in a process of its own with limits on time and memory; the kernel does not lock it in"
    )


def run(code: str, limits: Limits) -> Result:
    """Run code in an interpreter of its own. Raises UserError, with nothing run, when it doesn't start."""
    from pydantic_monty import Monty, MontyCrashedError, MontyRuntimeError, MontySyntaxError

    printed, began, error = _Printed(limits.output), time.monotonic(), ""
    may: ResourceLimits = {
        "max_feed_duration_secs": limits.seconds,
        "max_memory": limits.memory,
        "max_total_sleep_secs": limits.seconds,
    }
    try:
        with Monty() as pool, pool.checkout(limits=may, os_policy=_SLEEP) as session:
            began = time.monotonic()
            session.feed_run(f"{code}\nNone", print_callback=printed.hear)  # None: no value of its making comes here
    except (MontyRuntimeError, MontySyntaxError) as fault:
        error = _words(fault, limits)
    except MontyCrashedError as crash:
        error = f"took longer than {limits.seconds:g} s" if crash.timed_out else "the interpreter crashed"
    except (OSError, RuntimeError) as problem:  # what the pool says when it can't start its worker
        raise UserError(f"the sandbox could not be set up, so the code was not run: {problem}.") from problem
    if printed.full:
        error = f"printed more than {limits.output} bytes"
    return Result(printed.text, error, time.monotonic() - began, isolation())


class _Printed:
    """What a program prints, up to a number of bytes. One that prints for ever is ended by its time."""

    def __init__(self, most: int) -> None:
        self.most, self.written, self.full = most, b"", False

    @property
    def text(self) -> str:
        return self.written.decode(errors="replace")

    def hear(self, _stream: str, text: str) -> None:
        data = self.written + text.encode(errors="replace")
        self.written, self.full = data[: self.most], self.full or len(data) > self.most


def _words(fault: "MontyRuntimeError | MontySyntaxError", limits: Limits) -> str:
    """Why a program ended: an error of its own with its line, or the limit it passed; "" if it meant to end."""
    inner = fault.exception()
    lines = [frame.line for frame in fault.traceback() if frame.filename != "<string>"]  # that is eval()'s
    if isinstance(inner, TimeoutError) and not lines:  # the interpreter's own, which the program can't catch
        return f"took longer than {limits.seconds:g} s"
    if isinstance(inner, SystemExit) and not inner.code:
        return ""
    where = f"line {lines[-1]}: " if lines else ""
    return f"{where}{fault.display('type-msg')}".removesuffix(": ")
