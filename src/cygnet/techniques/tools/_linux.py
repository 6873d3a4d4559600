"""Locked in by the kernel: a Linux process with Landlock and seccomp, for all of CPython and its standard library.

The child is a fresh interpreter with resource limits, no capabilities, no_new_privs, Landlock (files) and a seccomp
allow-list (system calls). Code can compute, use threads, import the standard library, and keep files in a temporary
folder of its own. It can't start programs or processes, open sockets, signal others, read other files, or change
anything outside. It can learn that a file exists and how large it is, and it shares the machine's kernel: code by
someone who is out to break a kernel belongs into a virtual machine.
"""

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from cygnet.errors import UserError
from cygnet.techniques.tools import _landlock, _seccomp, _system_calls
from cygnet.techniques.tools._system_calls import Machine
from cygnet.techniques.tools._watch import Ending, watch
from cygnet.techniques.tools.limits import Limits, Result

# What a model is told of it.
SCOPE = (
    "The standard library is there, and files in a folder of its own; no network and no other programs "
    "(kept in by Linux: Landlock, seccomp)."
)
_CHILD = Path(__file__).with_name("_sandbox_child.py")


def run(code: str, limits: Limits) -> Result:
    """Run code in a process of its own. Raises UserError, with nothing run, when that can't be locked in."""
    with tempfile.TemporaryDirectory(prefix="cygnet-python-") as folder:
        ending = _run(code, _machine(), Path(folder), limits)
    if not ending.ready:
        why = ending.report or ending.why or f"the child ended with status {ending.status} and said: {ending.output}"
        raise UserError(f"the sandbox could not be set up, so the code was not run: {why.strip()}.")
    return Result(ending.output, _error(ending, limits), ending.seconds, isolation())


def missing() -> str | None:
    """What this machine lacks for it; None if nothing."""
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in {"x86_64", "aarch64"} or sys.maxsize < 2**32:
        return f"the sandbox needs 64-bit Linux on x86-64 or aarch64, and this is {platform.system()} on {machine}"
    if not sys.executable:
        return "the path of the Python interpreter is not known"
    if (version := _landlock.abi()) < _landlock.OLDEST_ABI:
        found = f"has version {version}" if version else "has none (or it is switched off)"
        return f"Landlock version {_landlock.OLDEST_ABI} is needed, and this kernel {found}"
    if not _seccomp.is_available(_machine()):
        return "this kernel has no seccomp filters"
    return None


def isolation() -> str:
    """What keeps the code in, in words."""
    version, machine = _landlock.abi(), _machine()
    calls = len(_system_calls.allowed(machine)) + len(_system_calls.conditional(machine, 0))
    network = "no TCP" if version >= 4 else "TCP only stopped by seccomp"
    return (
        f"Linux process with Landlock version {version} (reads the standard library, writes in its own temporary "
        f"folder, {network}), a seccomp allow-list of {calls} system calls (no programs, processes or sockets), "
        "no capabilities, no_new_privs, resource limits"
    )


def _machine() -> Machine:
    return "x86_64" if platform.machine() == "x86_64" else "aarch64"


def _run(code: str, machine: Machine, folder: Path, limits: Limits) -> Ending:
    report, report_end = os.pipe()
    try:
        child = subprocess.Popen(  # noqa: S603 - our own file, by this very interpreter
            [Path(sys.executable).resolve(), "-I", "-S", "-B", "-X", "utf8", _CHILD, str(report_end)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={},
            pass_fds=(report_end,),
            start_new_session=True,
        )
    finally:
        os.close(report_end)
    try:
        return watch(child, _request(code, machine, child.pid, folder, limits), report, folder, limits)
    finally:
        os.close(report)


def _request(code: str, machine: Machine, pid: int, folder: Path, limits: Limits) -> bytes:
    limited = [
        ("RLIMIT_CPU", limits.cpu_seconds, limits.cpu_seconds + 1),  # asked to end, then killed
        ("RLIMIT_AS", limits.memory, limits.memory),
        ("RLIMIT_FSIZE", limits.file, limits.file),
        ("RLIMIT_NOFILE", limits.open_files, limits.open_files),
        ("RLIMIT_CORE", 0, 0),
    ]
    request = {
        "code": code,
        "limits": limited,
        "guarded": _landlock.guarded(_landlock.abi()),
        "rules": _landlock.rules(folder),
        "filter": _seccomp.filter_for(machine, pid).hex(),
    }
    return json.dumps(request).encode()


def _error(ending: Ending, limits: Limits) -> str:
    if ending.why or ending.report or ending.status == 0:
        return ending.why or ending.report
    if ending.status > 0:
        return f"the program ended with exit status {ending.status}"
    number = -ending.status
    words: dict[int, str] = {
        signal.SIGXCPU: f"took more than {limits.cpu_seconds} s of processor time",
        signal.SIGKILL: f"killed: more than {limits.cpu_seconds} s of processor time, or no memory left on the machine",
        signal.SIGSYS: "killed: made a system call of another architecture",
    }
    return words.get(number) or f"crashed ({signal.strsignal(number) or f'signal {number}'})"
