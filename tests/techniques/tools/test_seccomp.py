"""The filter is a program: it is run here, for both machines, by a small interpreter of its instructions."""

import errno
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cygnet.techniques.tools import _system_calls
from cygnet.techniques.tools._seccomp import _AUDIT, filter_for

ALLOW, KILL, REFUSE, ABSENT = 0x7FFF0000, 0x80000000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
PID = 4321
MACHINES = ("x86_64", "aarch64")
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
GENERIC = {
    "newfstatat": "3264_fstatat",
    **{name: f"3264_{name}" for name in ("fcntl", "fstat", "ftruncate", "lseek", "mmap")},
}

PROGRAMS = {machine: list(struct.iter_unpack("<HBBI", filter_for(machine, PID))) for machine in MACHINES}


def decide(machine, number, arguments=(), audit=None):
    """What the kernel would do: run the instructions over struct seccomp_data."""
    audit = _AUDIT[machine] if audit is None else audit
    data = struct.pack("<IIQ6Q", number, audit, 0, *[*arguments, *[0] * 6][:6])
    program = PROGRAMS[machine]
    accumulator, at = 0, 0
    while True:
        code, yes, no, constant = program[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, constant)
        elif code == 0x15:
            at += yes if accumulator == constant else no
        elif code == 0x35:
            at += yes if accumulator >= constant else no
        else:
            assert code == 0x06
            return constant


def number_of(machine, name):
    return _system_calls._NUMBERS[name][MACHINES.index(machine)]


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_are_those_of_the_kernels_headers(machine):
    if not HEADERS[machine].exists():
        pytest.skip("the kernel's headers are not installed")
    found = dict(re.findall(r"#define __NR_?(\w+)\s+(\d+)", HEADERS[machine].read_text()))
    for name in _system_calls._NUMBERS:
        expected = found.get(name if machine == "x86_64" else GENERIC.get(name, name))
        assert number_of(machine, name) == (None if expected is None else int(expected)), name


@pytest.mark.parametrize("machine", MACHINES)
@settings(deadline=None, max_examples=50)
@given(
    number=st.integers(0, 0x3FFFFFFF) | st.integers(0, 500), arguments=st.lists(st.integers(0, 2**64 - 1), max_size=6)
)
def test_what_is_not_listed_is_refused_whatever_its_arguments(machine, number, arguments):
    known = {*_system_calls.allowed(machine), *_system_calls.absent(machine), *_system_calls.conditional(machine, PID)}
    if number not in known:
        assert decide(machine, number, arguments) == REFUSE
    elif number in _system_calls.allowed(machine):
        assert decide(machine, number, arguments) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
@settings(deadline=None, max_examples=50)
@given(number=st.integers(0, 2**32 - 1), audit=st.integers(0, 2**32 - 1))
def test_another_architecture_and_the_x32_table_are_killed(machine, number, audit):
    if audit != _AUDIT[machine]:
        assert decide(machine, number, audit=audit) == KILL
    assert decide(machine, number | 0x40000000) == KILL


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("name", "arguments", "decision"),
    [
        ("clone", (0x3D0F00, 1, 2, 3, 4), ALLOW),  # a thread
        ("clone", (17,), REFUSE),  # fork
        ("clone", (0x4111,), REFUSE),  # vfork
        ("clone", (0x3D0F00 | 0x10000000,), REFUSE),  # with a user namespace
        ("clone", (0x3D0F00 | 1 << 32,), REFUSE),
        ("tgkill", (PID, 5, 6), ALLOW),
        ("tgkill", (1, 1, 9), REFUSE),
        ("prlimit64", (0, 7, 0, 1), ALLOW),
        ("prlimit64", (PID, 7, 0, 1), ALLOW),
        ("prlimit64", (0, 7, 0x7F00_0000_0000, 0), REFUSE),
        ("prlimit64", (1, 7, 0, 1), REFUSE),
        ("fcntl", (0, 1030, 3), ALLOW),
        ("fcntl", (0, 8, 1), REFUSE),  # F_SETOWN
        ("ioctl", (0, 0x5401), ALLOW),
        ("ioctl", (0, 0x5412), REFUSE),  # TIOCSTI
        ("clone3", (0,), ABSENT),
        ("openat2", (0,), ABSENT),
    ],
)
def test_arguments_decide_where_a_call_has_harmless_uses(machine, name, arguments, decision):
    assert decide(machine, number_of(machine, name), arguments) == decision
