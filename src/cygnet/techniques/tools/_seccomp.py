"""An allow-list of system calls as a seccomp filter: a program of classic BPF that the kernel runs before each call.

See Linux's Documentation/userspace-api/seccomp_filter.rst; struct seccomp_data holds the call's number, the machine's
architecture and the six arguments.
"""

import ctypes
import errno
import struct

from cygnet.techniques.tools import _system_calls
from cygnet.techniques.tools._system_calls import Machine

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_JMP|JGE|K, BPF_RET|K
_KILL, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in seccomp_data
_AUDIT: dict[Machine, int] = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000  # this bit selects x86-64's second, 32-bit, table of calls

_SECCOMP: dict[Machine, int] = {"x86_64": 317, "aarch64": 277}  # seccomp(2)
_GET_ACTION_AVAIL = 2

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant


def filter_for(machine: Machine, pid: int) -> bytes:
    """The filter of a sandboxed process: `struct sock_filter` instructions, one after the other.

    A call that isn't on the list fails with EPERM; one with another architecture's or x32's numbers kills the process.
    """
    refuse, kill = _return(_ERRNO | errno.EPERM), _return(_KILL)
    program = [_load(_ARCHITECTURE), (_EQUAL, 1, 0, _AUDIT[machine]), kill]
    program += [_load(_NUMBER), (_AT_LEAST, 0, 1, _X32), kill]
    for number in _system_calls.allowed(machine):
        program += [(_EQUAL, 0, 1, number), _return(_ALLOW)]
    for number in _system_calls.absent(machine):
        program += [(_EQUAL, 0, 1, number), _return(_ERRNO | errno.ENOSYS)]
    for number, arguments in _system_calls.conditional(machine, pid).items():
        block = [line for index, values in arguments.items() for line in _argument(index, values)]
        block.append(_return(_ALLOW))
        program += [(_EQUAL, 0, len(block), number), *block]
    program.append(refuse)
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def _argument(index: int, values: tuple[int, ...]) -> list[Instruction]:
    """Refuse unless the 64-bit argument is one of these 32-bit values; then go on behind."""
    refuse = _return(_ERRNO | errno.EPERM)
    low = _ARGUMENTS + 8 * index  # little-endian on both machines
    tests = [(_EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)]
    return [_load(low + 4), (_EQUAL, 1, 0, 0), refuse, _load(low), *tests, refuse]


def _load(offset: int) -> Instruction:
    return (_LOAD, 0, 0, offset)


def _return(action: int) -> Instruction:
    return (_RETURN, 0, 0, action)


def is_available(machine: Machine) -> bool:
    """Whether this kernel has seccomp filters that can kill a process (Linux 4.14)."""
    action = ctypes.c_uint32(_KILL)
    library = ctypes.CDLL(None, use_errno=True)
    return bool(library.syscall(_SECCOMP[machine], _GET_ACTION_AVAIL, 0, ctypes.byref(action)) == 0)
