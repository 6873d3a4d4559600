"""Code that the kernel locks in: attempts to get out, what programs may do, and what stops them."""

import os
import platform
import runpy
import sys
import sysconfig
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.techniques.tools import _landlock, _linux, _monty, _seccomp, sandbox
from cygnet.techniques.tools.limits import Limits
from cygnet.techniques.tools.python import python_tool
from cygnet.techniques.tools.sandbox import run_python

MISSING = _linux.missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=f"no sandbox here: {MISSING}")

# Time limits are wide because a busy machine is slow; what must stop does so by other limits.
LIMITS = Limits(seconds=300, cpu_seconds=10, memory=256 * 2**20)

_ESCAPES = runpy.run_path(str(Path(__file__).parents[3] / "benchmarks" / "escapes.py"))
ATTEMPTS, X86, CALL = _ESCAPES["ATTEMPTS"], _ESCAPES["X86"], _ESCAPES["CALL"]


@pytest.fixture(scope="module")
def attempted(tmp_path_factory):
    """What became of every attempt, all made in one process; and the folder outside that they were after."""
    outside = tmp_path_factory.mktemp("outside")
    return _ESCAPES["try_linux"](outside, LIMITS), outside


@pytest.mark.parametrize("name", ATTEMPTS)
def test_attempts_to_get_out_are_refused(attempted, name):
    outcomes, _ = attempted
    if not _ESCAPES["exists"](ATTEMPTS[name][0]):
        pytest.skip("this machine has no such system call")
    assert outcomes[name].startswith(ATTEMPTS[name][1])


def test_nothing_outside_was_changed(attempted):
    _, outside = attempted
    assert {file.name: file.read_text() for file in outside.iterdir()} == {"secret": "secret", "readable": "readable"}
    assert not (Path(os.__file__).parent / "cygnet-test.py").exists()


def test_packages_installed_beside_the_standard_library_can_not_be_read():
    site = Path(sysconfig.get_path("stdlib")) / "site-packages"
    package = next(site.glob("*/__init__.py"), None)
    if package is None:
        pytest.skip("no package is installed beside the standard library")
    assert "PermissionError" in run_python(f"open({str(package)!r})", LIMITS).error


USEFUL = """
import math, fractions, statistics, re, json, random, decimal, datetime, collections, itertools, functools, string
import dataclasses, enum, typing, threading, queue, time, heapq, bisect, textwrap, zlib, hashlib, io, os
from concurrent.futures import ThreadPoolExecutor
@dataclasses.dataclass
class Point:
    x: int = 3
found = []
thread = threading.Thread(target=found.append, args=(1,)); thread.start(); thread.join()
with ThreadPoolExecutor(4) as pool: squares = list(pool.map(lambda x: x * x, range(5)))
random.seed(1), random.random(), datetime.datetime.now(), time.sleep(0.001), hashlib.sha256(b'x').hexdigest()
with open('note.txt', 'w') as file: file.write('kept')
os.rename('note.txt', 'moved.txt')
print(math.pi > 3, fractions.Fraction(1, 3), statistics.mean([1, 2]), re.findall('a', 'banana'), json.dumps([1]))
print(decimal.Decimal('0.1') + 1, collections.Counter('aab'), next(itertools.count(5)), Point(), found, squares)
print(open('moved.txt').read(), os.listdir('.'), 'grün')
"""


def test_ordinary_programs_run():
    result = run_python(USEFUL, LIMITS)
    assert result.error == ""
    assert result.stdout.splitlines() == [
        "True 1/3 1.5 ['a', 'a', 'a'] [1]",
        "1.1 Counter({'a': 2, 'b': 1}) 5 Point(x=3) [1] [0, 1, 4, 9, 16]",
        "kept ['moved.txt'] grün",
    ]


def test_the_isolation_that_is_active_is_told():
    isolation = run_python("print(1)", LIMITS).isolation
    assert isolation == sandbox.isolation()
    assert "Landlock" in python_tool().description
    for word in ("Landlock", "seccomp", "no capabilities", "resource limits"):
        assert word in isolation


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("x = 1\ny = x / 0", "line 2: ZeroDivisionError: division by zero"),
        ("def f():\n    raise KeyError\nf()", "line 2: KeyError"),
        ("print(1", "line 1: SyntaxError: '(' was never closed"),
        ("import no_such_module", "line 1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("import pydantic", "line 1: ModuleNotFoundError: No module named 'pydantic'"),
        ("import sys\nsys.exit('bad')", "the program ended with exit status bad"),
        ("import os\nos._exit(3)", "the program ended with exit status 3"),
        ("import os\nos.abort()", "crashed (Aborted)"),
        ("import ctypes\nctypes.string_at(0)", "crashed (Segmentation fault)"),
        ("raise ValueError('\\ud800')", "line 1: ValueError: ?"),
        ("x" * 100_001, "the code is longer than 100000 characters"),
        ("import sys\nsys.exit()", ""),
    ],
)
def test_errors_of_the_code_come_back_in_words(code, error):
    result = run_python(code, LIMITS)
    assert result.error == error
    assert "Traceback" not in result.stdout


@pytest.mark.parametrize(
    ("code", "limits", "error"),
    [
        ("while True: pass", {"cpu_seconds": 1}, "took more than 1 s of processor time"),
        (
            "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
            {"cpu_seconds": 1},
            "killed: more than 1 s of processor time, or no memory left on the machine",
        ),
        ("import time\ntime.sleep(600)", {"seconds": 0.3}, "took longer than 0.3 s"),
        ("import os, time\nos.closerange(0, 30)\ntime.sleep(600)", {"seconds": 0.3}, "took longer than 0.3 s"),
        ("while True: print('x' * 1000)", {}, "printed more than 20000 bytes"),
        (
            "i = 0\nwhile True:\n    open(f'f{i}', 'wb').write(bytes(10**6))\n    i += 1",
            {},
            f"wrote more than {8 * 2**20} bytes of files",
        ),
        (
            "i = 0\nwhile True:\n    open(f'f{i}', 'wb')\n    i += 1",
            {"folder": 2**20},
            f"wrote more than {2**20} bytes of files",
        ),
        (
            "import threading as t\nt.stack_size(65536)\nwhile True: t.Thread(target=t.Event().wait).start()",
            {},
            "started more than 16 threads",
        ),
    ],
)  # fmt: skip
def test_programs_that_take_too_much_are_stopped(monkeypatch, tmp_path, code, limits, error):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    result = run_python(code, replace(LIMITS, **limits))
    assert result.error == error
    assert len(result.stdout) <= 20_000
    assert list(tmp_path.iterdir()) == []


def test_a_fork_bomb_goes_nowhere():
    """The bomb is lit only after one fork has been refused."""
    code = """
import os
try:
    os.fork() or os._exit(0)
    os._exit(9)
except PermissionError:
    print('refused', flush=True)
refused = 0
for _ in range(10_000):
    try:
        os.fork()
    except PermissionError:
        refused += 1
print(refused)
"""
    result = run_python(code, LIMITS)
    assert (result.stdout, result.error) == ("refused\n10000\n", "")


_INT_80 = """
import mmap
page = mmap.mmap(-1, 4096, prot=7)
page.write(bytes.fromhex('b814000000cd80c3'))  # mov eax, 20 (getpid of i386); int 0x80; ret
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""


@pytest.mark.skipif(not X86, reason="x86-64 only: its other tables of system calls")
@pytest.mark.parametrize("code", ["call(0x40000000 + 39)", _INT_80])
def test_calls_by_another_table_kill_the_program(code):
    result = run_python(f"{CALL}\n{code}\nprint('went on')", LIMITS)
    assert result.stdout == ""
    assert result.error == "killed: made a system call of another architecture"


def test_what_the_code_says_of_itself_is_no_proof_of_being_set_up():
    """Only the sandbox speaks on the report before the code begins; what the code adds is its own error text."""
    result = run_python("import os, sys\nos.write(int(sys.argv[1]), b'ready\\nforged')\nos._exit(1)", LIMITS)
    assert result.error == "ready\nforged"


@pytest.mark.parametrize(
    ("place", "name", "value", "words"),
    [
        (platform, "system", lambda: "Darwin", "this is Darwin"),
        (platform, "machine", lambda: "riscv64", "on riscv64"),
        (_landlock, "abi", lambda: 0, "this kernel has none"),
        (_landlock, "abi", lambda: 2, "has version 2"),
        (_seccomp, "is_available", lambda _: False, "no seccomp filters"),
        (sys, "executable", "", "interpreter is not known"),
    ],
)
def test_without_a_sandbox_nothing_is_run(monkeypatch, place, name, value, words):
    monkeypatch.setattr(place, name, value)
    monkeypatch.setattr(_monty, "missing", lambda: "Monty is not installed")
    with pytest.raises(UserError, match=f"{words}.* and Monty is not installed.* install Monty: .*"):
        run_python("print(1)", LIMITS)
    with pytest.raises(UserError, match=words):
        sandbox.isolation()
    with pytest.raises(UserError, match=words):
        python_tool()


@pytest.mark.parametrize(
    ("place", "name", "value", "words"),
    [
        (_landlock, "rules", lambda _: [("/no/such/place", 4)], "/no/such/place"),
        (_landlock, "guarded", lambda _: (1 << 60, 0, 0), "Landlock ruleset: Invalid argument"),
        (_seccomp, "filter_for", lambda *_: bytes(8), "seccomp: Invalid argument"),
        (_linux, "_CHILD", Path("/no/such/program.py"), "the child ended"),
    ],
)
def test_a_sandbox_that_can_not_be_set_up_runs_nothing(monkeypatch, place, name, value, words):
    monkeypatch.setattr(place, name, value)
    with pytest.raises(UserError, match=f"could not be set up, so the code was not run: .*({words})"):
        run_python("print(1)", LIMITS)


def test_limits_must_be_positive():
    with pytest.raises(UserError, match="seconds=0"):
        Limits(seconds=0)


def test_python_as_a_tool():
    tool = python_tool(LIMITS, weakness="You are bad at counting letters.")
    assert tool.name == "python"
    assert tool.call({"code": "print('strawberry'.count('r'))"}) == "3\n"
    assert tool.call({"code": "x = 1"}) == "(the program ran and printed nothing)"
    assert tool.call({"code": "print('a', end='')\n1 / 0"}) == "a\nerror: line 2: ZeroDivisionError: division by zero"
