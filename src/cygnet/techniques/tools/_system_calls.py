"""Which system calls a sandboxed Python may make, by number, on x86-64 and on aarch64 (Linux).

A call that is missing on a machine has None there: aarch64 never had the older of two calls that do the same.
Not in the list, so refused: starting programs and processes, sockets, other processes' memory, signals to others,
mounts, namespaces, keys, io_uring, memfd, and everything that changes a file's mode, owner, times or attributes
(which Landlock doesn't guard).
"""

from typing import Literal

Machine = Literal["x86_64", "aarch64"]

# name: number on x86-64, number on aarch64
_NUMBERS: dict[str, tuple[int, int | None]] = {
    # files that are open, or that Landlock lets be opened
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "lseek": (8, 62), "pread64": (17, 67), "pwrite64": (18, 68),
    "readv": (19, 65), "writev": (20, 66), "open": (2, None), "openat": (257, 56), "ftruncate": (77, 46),
    "fsync": (74, 82), "fdatasync": (75, 83), "getdents64": (217, 61), "getcwd": (79, 17),
    "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24), "pipe": (22, None), "pipe2": (293, 59),
    "poll": (7, None), "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72),
    "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276), "unlink": (87, None), "unlinkat": (263, 35),
    "stat": (4, None), "fstat": (5, 80), "lstat": (6, None), "newfstatat": (262, 79), "access": (21, None),
    "faccessat": (269, 48), "readlink": (89, None), "readlinkat": (267, 78),
    "fcntl": (72, 25), "ioctl": (16, 29),
    # memory
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "mremap": (25, 216), "madvise": (28, 233),
    "brk": (12, 214),
    # threads and signals of its own
    "clone": (56, 220), "futex": (202, 98), "set_robust_list": (273, 99), "rseq": (334, 293), "gettid": (186, 178),
    "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "tgkill": (234, 131), "sigaltstack": (131, 132),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "restart_syscall": (219, 128), "exit": (60, 93), "exit_group": (231, 94),
    # time, chance, and what it may know of itself
    "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "gettimeofday": (96, 169), "time": (201, None), "times": (100, 153), "getrandom": (318, 278),
    "getpid": (39, 172), "getppid": (110, 173), "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176),
    "getegid": (108, 177), "uname": (63, 160), "sysinfo": (99, 179), "getrusage": (98, 165), "getrlimit": (97, 163),
    "prlimit64": (302, 261),
    # newer ways of doing the above: said not to exist, so that the C library takes the older, which can be examined
    "clone3": (435, 435), "statx": (332, 291), "faccessat2": (439, 439), "openat2": (437, 437),
    "close_range": (436, 436),
}  # fmt: skip

_ABSENT = ("clone3", "statx", "faccessat2", "openat2", "close_range")

# What pthread_create of glibc passes; nothing else may be cloned: no processes, no namespaces.
_THREAD = 0x3D0F00
_FCNTL = (0, 1, 2, 3, 4, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC; never F_SETOWN
_IOCTL = (0x5401, 0x5451)  # TCGETS, by which open() asks whether a file is a terminal; FIOCLEX


def allowed(machine: Machine) -> list[int]:
    """Numbers of the calls that may be made with any arguments."""
    special = {*_ABSENT, *_conditions(0)}
    return _of(machine, [name for name in _NUMBERS if name not in special])


def absent(machine: Machine) -> list[int]:
    """Numbers of the calls that are answered with "not implemented"."""
    return _of(machine, _ABSENT)


def conditional(machine: Machine, pid: int) -> dict[int, dict[int, tuple[int, ...]]]:
    """Calls whose arguments are examined: number → {index of the argument: the values it may have}.

    pid: of the sandboxed process.
    """
    return {_of(machine, [name])[0]: arguments for name, arguments in _conditions(pid).items()}


def _conditions(pid: int) -> dict[str, dict[int, tuple[int, ...]]]:
    return {
        "clone": {0: (_THREAD,)},
        "fcntl": {1: _FCNTL},
        "ioctl": {1: _IOCTL},
        "prlimit64": {0: (0, pid), 2: (0,)},  # read its own limits, never set them
        "tgkill": {0: (pid,)},
    }


def _of(machine: Machine, names: list[str] | tuple[str, ...]) -> list[int]:
    column = ("x86_64", "aarch64").index(machine)
    return [number for name in names if (number := _NUMBERS[name][column]) is not None]
