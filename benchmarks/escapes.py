"""Attempts to get out of the sandbox, one by one, for the tests and for `sandbox.py`.

Each would do no harm if it succeeded.
"""

import json
import platform
from pathlib import Path
from unittest import mock

from cygnet.techniques.tools import _landlock, _linux, _monty
from cygnet.techniques.tools.limits import Limits

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
    "init_module": 175 if X86 else 105,
    "userfaultfd": 323 if X86 else 282,
    "inotify_init1": 294 if X86 else 26,
    "mlock": 149 if X86 else 228,
    "syslog": 103 if X86 else 116,
}

CALL = """
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
    "write to shared memory": ("open('/dev/shm/cygnet-test', 'w')", _DENIED),
    "read the terminal": ("open('/dev/tty')", _DENIED),
    "read its own program": ("open('/proc/self/exe', 'rb')", _DENIED),
    "list what the kernel shows": ("os.listdir('/sys')", _DENIED),
    "change its root": ("os.chroot('.')", _DENIED),
    "set the clock": ("import time; time.clock_settime(time.CLOCK_REALTIME, time.time())", _DENIED),
    "hold on to another process": ("os.pidfd_open(os.getppid())", _DENIED),
    "load a part of the kernel": ("call(NUMBERS['init_module'], 0, 0, 0)", _DENIED),
    "handle page faults": ("call(NUMBERS['userfaultfd'], 0)", _DENIED),
    "watch files": ("call(NUMBERS['inotify_init1'], 0)", _DENIED),
    "keep memory from being swapped": ("call(NUMBERS['mlock'], 0, 0)", _DENIED),
    "read the kernel's log": ("call(NUMBERS['syslog'], 10, 0, 0)", _DENIED),
    "10 GB of text": ("'x' * 10**10", "MemoryError"),
    "10 GB of numbers": ("[0] * 10**10", "MemoryError"),
    "a file of 10 MB": ("open('large', 'wb').write(bytes(10**7))", "OSError: [Errno 27]"),
    "1,000 open files": ("[open('f', 'w') for _ in range(1000)]", "OSError: [Errno 24]"),
    "ask for input": ("input()", "EOFError"),
    "read a secret from the environment": ("os.environ['HOME']", "KeyError"),
    "recurse for ever": ("def f(): globals()['f']()\nglobals()['f'] = f; f()", "RecursionError"),
}  # fmt: skip

# The same for Monty, where each is a program of its own: what the interpreter doesn't know can't be caught.
MONTY = {
    "read the password file": ("open('/etc/passwd').read()", _DENIED),
    "read it by pathlib": ("from pathlib import Path\nPath('/etc/passwd').read_text()", _DENIED),
    "read it from below": ("open('../' * 20 + 'etc/passwd').read()", _DENIED),
    "list /": ("import os\nos.listdir('/')", _DENIED),
    "write a file": ("open('x', 'w').write('x')", _DENIED),
    "remove a file": ("import os\nos.remove('/etc/passwd')", "AttributeError|PermissionError"),
    "open a socket": ("import socket", "ModuleNotFoundError"),
    "run a program": ("import subprocess", "ModuleNotFoundError"),
    "run a shell": ("import os\nos.system('true')", "AttributeError"),
    "become a program": ("import os\nos.execv('/bin/true', ['true'])", "AttributeError"),
    "fork": ("import os\nos.fork()", "AttributeError"),
    "signal the parent": ("import os\nos.kill(os.getppid(), 0)", "AttributeError"),
    "read the environment": ("import os\nos.environ['HOME']", "RuntimeError"),
    "read a variable": ("import os\nos.getenv('HOME')", "RuntimeError"),
    "call C": ("import ctypes", "ModuleNotFoundError"),
    "import by name": ("__import__('os')", "NameError"),
    "import inside eval": ("eval(\"__import__('os')\")", "NameError"),
    "import builtins": ("import builtins", "ModuleNotFoundError"),
    "list modules": ("import sys\nsys.modules", "AttributeError"),
    "walk from a tuple to all classes": ("().__class__.__bases__[0].__subclasses__()", "AttributeError"),
    "walk by getattr": ("getattr((), '__class__')", "AttributeError"),
    "walk by a format string": ("'{0.__class__}'.format(1)", "AttributeError"),
    "walk to a function's globals": ("(lambda: 0).__globals__", "AttributeError"),
    "walk to a function's code": ("(lambda: 0).__code__", "AttributeError"),
    "walk from an error to a frame": ("try: 1 / 0\nexcept Exception as e: e.__traceback__.tb_frame", "AttributeError"),
    "10 GB of text": ("'x' * 10**10", "MemoryError"),
    "10 GB of numbers": ("[0] * 10**10", "MemoryError"),
    "a number without end": ("9**9**9", "MemoryError"),
    "recurse for ever": ("def f():\n    return f()\nf()", "RecursionError"),
    "ask for input": ("input()", "NameError"),
}  # fmt: skip

_HARNESS = """
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


def try_linux(outside: Path, limits: Limits) -> dict[str, str]:
    """What became of every attempt, all made in one locked-in process. `outside`: a folder for what they are after."""
    secret, readable = outside / "secret", outside / "readable"
    secret.write_text("secret")
    readable.write_text("readable")
    settings = (X86, NUMBERS, str(secret), str(readable), str(outside))
    attempts = {name: code for name, (code, _) in ATTEMPTS.items() if exists(code)}
    rules = (*_landlock._readable(), (str(readable), _landlock._READ_FILE))  # noqa: SLF001 - the one exception for tests
    with mock.patch.object(_landlock, "_readable", return_value=rules):
        result = _linux.run(_HARNESS.format(settings=settings, call=CALL, attempts=attempts), limits)
    outcomes: dict[str, str] = json.loads(result.stdout) if not result.error else {}
    return {name: outcomes.get(name, result.error) for name in attempts}


def try_monty(limits: Limits) -> dict[str, str]:
    """What became of every attempt, each in an interpreter of its own."""
    return {name: _monty.run(code, limits).error or "succeeded" for name, (code, _) in MONTY.items()}


def exists(code: str) -> bool:
    """Whether this machine has the system calls that an attempt makes."""
    return not any(f"'{call}'" in code for call, number in NUMBERS.items() if number is None)
