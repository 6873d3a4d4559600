"""Code that Monty keeps in: attempts to get out, what programs may do, and what stops them."""

import re
import runpy
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.techniques.tools import _linux, _monty, sandbox
from cygnet.techniques.tools.limits import Limits
from cygnet.techniques.tools.python import python_tool
from cygnet.techniques.tools.sandbox import run_python

MISSING = _monty.missing()
needs_monty = pytest.mark.skipif(MISSING is not None, reason=f"no Monty here: {MISSING}")
ATTEMPTS = runpy.run_path(str(Path(__file__).parents[3] / "benchmarks" / "escapes.py"))["MONTY"]

# Time limits are wide because a busy machine is slow; what must stop does so by other limits.
LIMITS = Limits(seconds=300, memory=64 * 2**20)


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    """A machine whose kernel can't lock code in."""
    monkeypatch.setattr(_linux, "missing", lambda: "this kernel has no Landlock")


@needs_monty
@pytest.mark.parametrize("name", ATTEMPTS)
def test_attempts_to_get_out_are_refused(name):
    code, error = ATTEMPTS[name]
    assert re.match(rf"line \d+: ({error})\b", run_python(code, LIMITS).error)


USEFUL = f"""
import {_monty.MODULES}
from dataclasses import dataclass
@dataclass
class Point:
    x: int = 3
def double(n): return [2 * i for i in range(n)]
print(math.pi > 3, decimal.Decimal('0.1') + 1, collections.Counter('aab')['a'], Point().x, double(3), 'grün')
"""


@needs_monty
def test_where_the_kernel_can_not_monty_runs_ordinary_programs():
    result = run_python(USEFUL, LIMITS)
    assert (result.stdout, result.error) == ("True 1.1 2 3 [0, 2, 4] grün\n", "")
    assert result.isolation == sandbox.isolation()
    assert "Monty 1.4" in result.isolation
    assert "the kernel does not lock it in" in result.isolation


@needs_monty
@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("x = 1\ny = x / 0", "line 2: ZeroDivisionError: division by zero"),
        ("def f():\n    return [][1]\nf()", "line 2: IndexError: list index out of range"),
        ("x = 1\neval('1 / 0')", "line 2: ZeroDivisionError: division by zero"),
        ("import numpy", "line 1: ModuleNotFoundError: No module named 'numpy'"),
        ("raise TimeoutError('own')", "line 1: TimeoutError: own"),
        ("raise SystemExit", ""),
        ("x" * 100_001, "the code is longer than 100000 characters"),
    ],
)
def test_errors_of_the_code_come_back_in_words(code, error):
    assert run_python(code, LIMITS).error == error


@needs_monty
def test_what_it_can_not_read_is_told_with_its_line():
    assert re.match(r"line \d: SyntaxError: ", run_python("print(1", LIMITS).error)
    assert run_python("def g():\n    yield 1", LIMITS).error.startswith("line 2: NotImplementedError: ")


@needs_monty
@pytest.mark.parametrize(
    ("code", "limits", "error"),
    [
        ("while True: pass", {"seconds": 0.3}, "took longer than 0.3 s"),
        ("try:\n    while True: pass\nexcept BaseException: print(1)", {"seconds": 0.3}, "took longer than 0.3 s"),
        ("sum(range(10**12))", {"seconds": 0.3}, "took longer than 0.3 s"),
        ("while True: print('x' * 1000)", {"output": 5000, "seconds": 1}, "printed more than 5000 bytes"),
        ("for i in range(10): print('x' * 1000)", {"output": 5000}, "printed more than 5000 bytes"),
        ("x = []\nwhile True: x.append('a' * 10**6 + str(len(x)))", {}, "line 2: MemoryError: .*"),
        ("import time\ntime.sleep(600)", {"seconds": 0.3}, "line 2: TimeoutError: sleep limit exceeded.*"),
    ],
)
def test_programs_that_take_too_much_are_stopped(code, limits, error):
    result = run_python(code, replace(LIMITS, **limits))
    assert re.fullmatch(error, result.error)
    assert len(result.stdout) <= 5000


@needs_monty
def test_nothing_is_kept_between_two_runs():
    assert run_python("x = 1", LIMITS).error == ""
    assert "NameError" in run_python("print(x)", LIMITS).error


@needs_monty
def test_the_tool_says_what_keeps_the_code_in():
    tool = python_tool(LIMITS)
    assert "kept in by Monty" in tool.description
    assert "Python" in tool.description
    assert tool.call({"code": "print('strawberry'.count('r'))"}) == "3\n"


def test_without_kernel_and_monty_nothing_is_run(monkeypatch):
    def lookup(version):
        def found(name):
            if version is None:
                raise PackageNotFoundError(name)
            return version

        return found

    for version, words in ((None, "is not installed"), ("9.0.0", r"1\.4\.x is needed, and 9\.0\.0 is installed")):
        monkeypatch.setattr(_monty.importlib.metadata, "version", lookup(version))
        for refused in (run_python, lambda _: python_tool(), lambda _: sandbox.isolation()):
            with pytest.raises(UserError, match=f"this kernel has no Landlock; and .*{words}"):
                refused("print(1)")


@needs_monty
def test_an_interpreter_that_can_not_be_started_runs_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("MONTY_BIN", str(tmp_path / "no-such-program"))
    with pytest.raises(UserError, match="could not be set up, so the code was not run"):
        run_python("print(1)", LIMITS)
