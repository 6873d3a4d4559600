"""What a sandboxed Python may do with files: Landlock's rules (Linux's Documentation/userspace-api/landlock.rst).

Landlock guards the opening, making, renaming and removing of files, not `stat`: that a file exists, and how large it
is, can be seen everywhere.
"""

import ctypes
import platform
import sysconfig
from functools import cache
from pathlib import Path

OLDEST_ABI = 3  # Linux 6.2: before it, a file that may only be read could be emptied

_CREATE_RULESET = 444  # the same number on every machine
_GET_VERSION = 1

_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_FILE, _MAKE_REG, _TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 5, 1 << 8, 1 << 14
_ALL_FILES = {3: (1 << 15) - 1, 5: (1 << 16) - 1}  # everything ABI 3 guards; ABI 5 adds ioctl on devices
_TCP = {4: 0b11}  # bind, connect
_SCOPES = {6: 0b11}  # abstract Unix sockets, signals


def abi() -> int:
    """The kernel's version of Landlock; 0 when it has none or has it switched off."""
    library = ctypes.CDLL(None, use_errno=True)
    return max(0, int(library.syscall(_CREATE_RULESET, None, 0, _GET_VERSION)))


def guarded(version: int) -> tuple[int, int, int]:
    """All that this version can guard: rights to files, to the network, and scopes (struct landlock_ruleset_attr)."""
    return _newest(_ALL_FILES, version), _newest(_TCP, version), _newest(_SCOPES, version)


def rules(folder: Path) -> list[tuple[str, int]]:
    """(path, rights): `folder` may hold files, not folders or links; the standard library may be read."""
    own = _READ_FILE | _READ_DIR | _WRITE_FILE | _REMOVE_FILE | _MAKE_REG | _TRUNCATE
    return [*_readable(), (str(folder), own)]


@cache
def _readable() -> tuple[tuple[str, int], ...]:
    """The standard library without the packages installed inside it, shared libraries, and time zones."""
    found: dict[str, int] = {}
    for library in {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}:
        found[library] = _READ_DIR  # import lists folders
        for entry in Path(library).iterdir():
            if entry.name not in {"site-packages", "dist-packages"} and entry.exists():
                found[str(entry)] = _READ_FILE | _READ_DIR if entry.is_dir() else _READ_FILE
    triple = f"{platform.machine()}-linux-gnu"
    for place in (f"/lib/{triple}", f"/usr/lib/{triple}", "/lib64", "/usr/lib64", "/usr/share/zoneinfo"):
        if Path(place).is_dir():
            found[place] = _READ_FILE | _READ_DIR
    return tuple(found.items())


def _newest(by_version: dict[int, int], version: int) -> int:
    return max((rights for since, rights in by_version.items() if since <= version), default=0)
