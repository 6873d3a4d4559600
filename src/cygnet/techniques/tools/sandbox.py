"""Running a model's Python code so that it can do no harm.

Two things can keep it in. Linux's kernel (`_linux`), which lets all of Python run; and, where that isn't there, Monty
(`_monty`), an interpreter of a part of Python that knows of no files, network or processes. Without either nothing is
run.
"""

from typing import Protocol

from cygnet.errors import UserError
from cygnet.techniques.tools import _linux, _monty
from cygnet.techniques.tools.limits import Limits, Result

__all__ = ["Result", "isolation", "run_python", "scope"]

_LONGEST_CODE = 100_000
_DEFAULT = Limits()


class _Isolation(Protocol):
    SCOPE: str

    def missing(self) -> str | None: ...
    def isolation(self) -> str: ...
    def run(self, code: str, limits: Limits) -> Result: ...


_BEST_FIRST: tuple[_Isolation, ...] = (_linux, _monty)


def run_python(code: str, limits: Limits = _DEFAULT) -> Result:
    """Run Python code in a sandbox of its own and wait for it.

    What the code does wrong is in `Result.error`.

    Raises:
        UserError: when nothing here can keep the code in (the message says what is missing), or setting it up fails;
            then nothing was run.
    """
    active = _active()
    if len(code) > _LONGEST_CODE:
        return Result("", f"the code is longer than {_LONGEST_CODE} characters", 0.0, active.isolation())
    return active.run(code, limits)


def isolation() -> str:
    """What keeps code in on this machine, in words. Raises UserError where there is nothing."""
    return _active().isolation()


def scope() -> str:
    """A sentence for a model on what its code can use here. Raises UserError where nothing can keep code in."""
    return _active().SCOPE


def _active() -> _Isolation:
    lacking = []
    for kind in _BEST_FIRST:
        if (missing := kind.missing()) is None:
            return kind
        lacking.append(missing)
    raise UserError(
        f"Python code can't be run safely here: {'; and '.join(lacking)}. Run it on Linux 6.2 or newer on x86-64 or "
        "aarch64, with Landlock and seccomp enabled, or install Monty: pip install 'cygnet[sandbox]'. Nothing is run "
        "without them."
    )
