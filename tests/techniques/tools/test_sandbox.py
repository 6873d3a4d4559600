"""Attempts to get out of the sandbox, one by one. Each would do no harm if it succeeded, and then fail the test."""

import json
import os
import platform
import sys
import sysconfig
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.techniques.tools import _landlock, _seccomp, sandbox
from cygnet.techniques.tools.limits import Limits
from cygnet.techniques.tools.python import python_tool
from cygnet.techniques.tools.sandbox import run_python

MISSING = sandbox._missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=f"no sandbox here: {MISSING}")

# Time limits are wide because a busy machine is slow; what must stop does so by other limits.
LIMITS = Limits(seconds=300, cpu_seconds=10, memory=256 * 2**20)

X86 = platform.machine() == "x86_64"
NUMBERS = {
    "fork": 57 if X86 else None,
    "vfork": 58 if X86 else None,
    "clone": 56 if X86 else 220,
    "ptrace": 101 if X86 else 117,
    "mount": 165 if X86 else 40,
    "unshare": 272 if X86 else 97,
    "setns": 308 if X86 else 268,
    "memfd_create": 319 if X86 else 279,
    "execveat": 322 if X86 else 281,
    "process_vm_readv": 310 if X86 else 270,
    "perf_event_open": 298 if X86 else 241,
    "bpf": 321 if X86 else 280,
    "keyctl": 250 if X86 else 219,
    "io_uring_setup": 425,
    "open_by_handle_at": 304 if X86 else 265,
    "prctl": 157 if X86 else 167,
    "seccomp": 317 if X86 else 277,
    "shmget": 29 if X86 else 194,
    "kill": 62 if X86 else 129,
    "personality": 135 if X86 else 92,
    "landlock_create_ruleset": 444,
}

_CALL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
"""

# name: (code, beginning of the error that must come of it)
_DENIED = "PermissionError"
ATTEMPTS = {
    "read the password file": ("open('/etc/passwd').read()", _DENIED),
    "read it by another road": ("open('/proc/self/root/etc/passwd').read()", _DENIED),
    "read it from below": ("open('../' * 20 + 'etc/passwd').read()", _DENIED),
    "read a file of the user": ("open(SECRET).read()", _DENIED),
    "list /root": ("os.listdir('/root')", _DENIED),
    "list /": ("os.listdir('/')", _DENIED),
    "list the home of the user": ("os.listdir(OUTSIDE)", _DENIED),
    "list processes": ("os.listdir('/proc')", _DENIED),
    "read its own memory": ("open('/proc/self/mem', 'rb').read(1)", _DENIED),
    "write its own memory": ("open('/proc/self/mem', 'wb')", _DENIED),
    "read the parent's environment": ("open(f'/proc/{os.getppid()}/environ').read()", _DENIED),
    "read the parent's memory": ("open(f'/proc/{os.getppid()}/mem', 'rb')", _DENIED),
    "follow the parent's folder": ("os.readlink(f'/proc/{os.getppid()}/cwd')", _DENIED),
    "read a device": ("open('/dev/zero', 'rb').read(1)", _DENIED),
    "open a socket": ("import socket; socket.socket()", _DENIED),
    "open a Unix socket": ("import socket; socket.socket(socket.AF_UNIX)", _DENIED),
    "open a raw socket": ("import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", _DENIED),
    "make a pair of sockets": ("import socket; socket.socketpair()", _DENIED),
    "become a program": ("os.execv('/bin/true', ['true'])", _DENIED),
    "run a program": ("import subprocess; subprocess.run(['/bin/true'])", _DENIED),
    "spawn a program": ("os.posix_spawn('/bin/true', ['true'], {})", _DENIED),
    "run a shell": ("assert os.system(f'touch {OUTSIDE}/shell') == 0", "AssertionError"),
    "run a shell by ctypes": ("assert libc.system(f'touch {OUTSIDE}/shell'.encode()) == 0", "AssertionError"),
    "fork": ("os.fork() or os._exit(0)", _DENIED),
    "fork with a terminal": ("import pty; pty.fork()[0] or os._exit(0)", "OSError"),
    "fork by number": ("call(NUMBERS['fork']) or os._exit(0)", _DENIED),
    "vfork by number": ("call(NUMBERS['vfork']) or os._exit(0)", _DENIED),
    "clone by number": ("call(NUMBERS['clone'], 17, 0, 0, 0, 0) or os._exit(0)", _DENIED),
    "clone that looks like a thread": ("call(NUMBERS['clone'], 0x3d0f00 | 0x40000000, 0, 0, 0, 0)", _DENIED),
    "clone with high bits": ("call(NUMBERS['clone'], 0x3d0f00 | 1 << 40, 0, 0, 0, 0)", _DENIED),
    "clone3": ("call(435, 0, 0)", "OSError: [Errno 38]"),
    "start another interpreter": ("import multiprocessing as m; p = m.Process(target=print); p.start()", _DENIED),
    "signal the parent": ("os.kill(os.getppid(), 0)", _DENIED),
    "signal everybody": ("os.kill(-1, 0)", _DENIED),
    "signal the parent's thread": ("call(234 if X86 else 131, os.getppid(), os.getppid(), 0)", _DENIED),
    "send a signal by a file": ("import fcntl; fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid())", _DENIED),
    "type into the terminal": ("import fcntl, termios; fcntl.ioctl(0, termios.TIOCSTI, b'x')", _DENIED),
    "trace the parent": ("call(NUMBERS['ptrace'], 16, os.getppid(), 0, 0)", _DENIED),
    "let itself be traced": ("call(NUMBERS['ptrace'], 0, 0, 0, 0)", _DENIED),
    "read the parent by process_vm_readv": ("call(NUMBERS['process_vm_readv'], os.getppid(), 0, 0, 0, 0, 0)", _DENIED),
    "mount": ("call(NUMBERS['mount'], 0, 0, 0, 0, 0)", _DENIED),
    "unshare": ("call(NUMBERS['unshare'], 0)", _DENIED),
    "enter a namespace": ("call(NUMBERS['setns'], -1, 0)", _DENIED),
    "make a file in memory": ("os.memfd_create('x')", _DENIED),
    "run a file in memory": ("call(NUMBERS['execveat'], 0, 0, 0, 0, 0x1000)", _DENIED),
    "run an open file": ("os.execve(os.open(os.__file__, os.O_RDONLY), ['x'], {})", _DENIED),
    "use io_uring": ("call(NUMBERS['io_uring_setup'], 1, 0)", _DENIED),
    "load BPF": ("call(NUMBERS['bpf'], 0, 0, 0)", _DENIED),
    "watch performance": ("call(NUMBERS['perf_event_open'], 0, 0, 0, 0, 0)", _DENIED),
    "read keys": ("call(NUMBERS['keyctl'], 0, -3, 0)", _DENIED),
    "open by handle": ("call(NUMBERS['open_by_handle_at'], -1, 0, 0)", _DENIED),
    "share memory": ("call(NUMBERS['shmget'], 0, 4096, 0o600)", _DENIED),
    "change its process": ("call(NUMBERS['prctl'], 15, 0, 0, 0, 0)", _DENIED),
    "change its filter": ("call(NUMBERS['seccomp'], 1, 0, 0)", _DENIED),
    "change its personality": ("call(NUMBERS['personality'], 0xffffffff)", _DENIED),
    "openat2": ("call(437, -100, 0, 0, 0)", "OSError: [Errno 38]"),
    "write outside": ("open(OUTSIDE + '/x', 'w')", _DENIED),
    "write over a file": ("open(SECRET, 'w')", _DENIED),
    "append to a file": ("open(SECRET, 'a')", _DENIED),
    "remove a file": ("os.remove(SECRET)", _DENIED),
    "move a file in": ("os.rename(SECRET, 'mine')", _DENIED),
    "move a file out": ("open('f', 'w').close(); os.rename('f', OUTSIDE + '/x')", _DENIED),
    "link a file in": ("os.link(SECRET, 'mine')", _DENIED),
    "link to a file": ("os.symlink(SECRET, 'mine')", _DENIED),
    "change a file's mode": ("os.chmod(SECRET, 0o777)", _DENIED),
    "change a file's owner": ("os.chown(SECRET, 1, 1)", _DENIED),
    "change a file's time": ("os.utime(SECRET, (0, 0))", _DENIED),
    "change a file's attributes": ("os.setxattr(SECRET, 'user.x', b'x')", _DENIED),
    "empty a file by name": ("os.truncate(SECRET, 0)", _DENIED),
    "empty a file that may be read": ("os.open(READABLE, os.O_RDONLY | os.O_TRUNC)", _DENIED),
    "empty it with the fourth way of opening": ("os.open(READABLE, 3 | os.O_TRUNC)", _DENIED),
    "write to the standard library": ("open(os.__file__, 'r+')", _DENIED),
    "write beside the standard library": ("open(os.path.dirname(os.__file__) + '/cygnet-test.py', 'w')", _DENIED),
    "make a folder": ("os.mkdir('folder')", _DENIED),
    "make a device": ("os.mknod('device')", _DENIED),
    "make a pipe with a name": ("os.mkfifo('pipe')", _DENIED),
    "leave its folder": ("os.chdir('/')", _DENIED),
    "leave its session": ("os.setsid()", _DENIED),
    "be somebody else": ("os.setuid(12345)", _DENIED),
    "raise its limits": ("import resource as r; r.setrlimit(r.RLIMIT_CPU, (999, 999))", "ValueError: not allowed"),
    "hurry": ("os.nice(-1)", _DENIED),
    "10 GB of text": ("'x' * 10**10", "MemoryError"),
    "10 GB of numbers": ("[0] * 10**10", "MemoryError"),
    "a file of 10 MB": ("open('large', 'wb').write(bytes(10**7))", "OSError: [Errno 27]"),
    "1,000 open files": ("[open('f', 'w') for _ in range(1000)]", "OSError: [Errno 24]"),
    "ask for input": ("input()", "EOFError"),
    "read a secret from the environment": ("os.environ['HOME']", "KeyError"),
    "recurse for ever": ("def f(): globals()['f']()\nglobals()['f'] = f; f()", "RecursionError"),
}  # fmt: skip

_HARNESS = """
import sys
X86, NUMBERS, SECRET, READABLE, OUTSIDE = {settings!r}
{call}
outcomes = {{}}
for name, code in {attempts!r}.items():
    try:
        exec(code)
        outcomes[name] = 'succeeded'
    except BaseException as error:
        outcomes[name] = f'{{type(error).__name__}}: {{error}}'
import json
print(json.dumps(outcomes))
"""


@pytest.fixture(scope="module")
def attempted(tmp_path_factory):
    """What became of every attempt, all made in one process; and the folder outside that they were after."""
    outside = tmp_path_factory.mktemp("outside")
    secret, readable = outside / "secret", outside / "readable"
    secret.write_text("secret")
    readable.write_text("readable")
    settings = (X86, NUMBERS, str(secret), str(readable), str(outside))
    attempts = {name: code for name, (code, _) in ATTEMPTS.items()}
    code = _HARNESS.format(settings=settings, call=_CALL, attempts=attempts)
    with pytest.MonkeyPatch.context() as patch:
        rules = (*_landlock._readable(), (str(readable), _landlock._READ_FILE))
        patch.setattr(_landlock, "_readable", lambda: rules)
        result = run_python(code, LIMITS)
    assert not result.error, result
    return json.loads(result.stdout), outside


@pytest.mark.parametrize("name", ATTEMPTS)
def test_attempts_to_get_out_are_refused(attempted, name):
    outcomes, _ = attempted
    if any(f"'{call}'" in ATTEMPTS[name][0] for call, number in NUMBERS.items() if number is None):
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
    result = run_python(f"{_CALL}\n{code}\nprint('went on')", LIMITS)
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
    with pytest.raises(UserError, match=words):
        run_python("print(1)", LIMITS)
    with pytest.raises(UserError, match=words):
        python_tool()


@pytest.mark.parametrize(
    ("place", "name", "value", "words"),
    [
        (_landlock, "rules", lambda _: [("/no/such/place", 4)], "/no/such/place"),
        (_landlock, "guarded", lambda _: (1 << 60, 0, 0), "Landlock ruleset: Invalid argument"),
        (_seccomp, "filter_for", lambda *_: bytes(8), "seccomp: Invalid argument"),
        (sandbox, "_CHILD", Path("/no/such/program.py"), "the child ended"),
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
