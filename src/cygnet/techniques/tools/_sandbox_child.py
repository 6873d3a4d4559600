"""The program of the sandbox's child process: locks itself in, then runs the code it was given.

It runs alone, on the standard library only: `python -I -S _sandbox_child.py REPORT`. It reads one JSON object from its
standard input and writes to the pipe REPORT "ready", or what went wrong before; then, after the code, its error if any.
"""

import ctypes
import json
import os
import resource
import signal
import struct
import sys
import types
from typing import Any

_PRCTL_DEATH_SIGNAL, _PRCTL_NO_NEW_PRIVILEGES, _PRCTL_SECCOMP = 1, 38, 22
_SECCOMP_FILTER = 2
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_BENEATH_PATH = 1
_CAPABILITIES_VERSION = 0x20080522

_CODE = "<code>"


def main() -> None:
    """Lock in, tell the parent, run, tell the parent of an error."""
    report = int(sys.argv[1])
    request = json.load(sys.stdin)
    try:
        lock(request)
    except OSError as error:
        os.write(report, f"{error}\n".encode())
        os._exit(1)
    os.write(report, b"ready\n")
    fault = run(request["code"])
    sys.stdout.flush()
    if fault:
        os.write(report, fault.encode(errors="replace"))
        sys.exit(1)


def lock(request: dict[str, Any]) -> None:
    """Limits, no capabilities, Landlock, seccomp: in this order, because each forbids setting up those before it."""
    libc = ctypes.CDLL(None, use_errno=True)
    call("die with the parent", libc.prctl, _PRCTL_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    for name, soft, hard in request["limits"]:
        resource.setrlimit(getattr(resource, name), (soft, hard))
    header, none = struct.pack("<Ii", _CAPABILITIES_VERSION, 0), bytes(24)
    call("drop capabilities", libc.capset, header, none)
    call("no_new_privs", libc.prctl, _PRCTL_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    restrict_files(libc, request["guarded"], request["rules"])
    program = bytes.fromhex(request["filter"])
    instructions = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))  # struct sock_fprog
    call("seccomp", libc.prctl, _PRCTL_SECCOMP, _SECCOMP_FILTER, header, 0, 0)


def restrict_files(libc: ctypes.CDLL, guarded: list[int], rules: list[tuple[str, int]]) -> None:
    """Forbid everything in `guarded` but what the rules allow."""
    attributes = struct.pack("<QQQ", *guarded)
    ruleset = call("Landlock ruleset", libc.syscall, _LANDLOCK_CREATE, attributes, len(attributes), 0)
    for path, rights in rules:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        beneath = struct.pack("<Qi", rights, place)
        call(f"Landlock rule for {path}", libc.syscall, _LANDLOCK_ADD, ruleset, _BENEATH_PATH, beneath, 0)
        os.close(place)
    call("Landlock", libc.syscall, _LANDLOCK_RESTRICT, ruleset, 0)
    os.close(ruleset)


def call(what: str, function: Any, *arguments: int | bytes) -> int:
    """Call a C function whose arguments are long integers or pointers. Raises OSError naming `what` if it fails."""
    result = function(*(ctypes.c_long(item) if isinstance(item, int) else item for item in arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return int(result)


def run(code: str) -> str:
    """Run code as a program; its error as "line 3: ZeroDivisionError: division by zero", or "" if there was none."""
    program = types.ModuleType("__main__")
    sys.modules["__main__"] = program  # where dataclasses and pickles look names up
    try:
        exec(compile(code, _CODE, "exec"), program.__dict__)  # noqa: S102 - it is what this process is for
    except SystemExit as end:
        return f"the program ended with exit status {end.code}" if end.code else ""
    except SyntaxError as error:
        return f"line {error.lineno}: {type(error).__name__}: {error.msg}"
    except BaseException as error:  # noqa: BLE001 - every error is the model's to read
        return f"{_where(error)}{type(error).__name__}: {error}".removesuffix(": ")
    return ""


def _where(error: BaseException) -> str:
    lines = []
    frame = error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == _CODE:
            lines.append(frame.tb_lineno)
        frame = frame.tb_next
    return f"line {lines[-1]}: " if lines else ""


if __name__ == "__main__":
    main()
