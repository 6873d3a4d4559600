"""A better memory allocator for training, put before the C library's by starting this process anew.

Every operation of a training step allocates its result. glibc takes time over large blocks, and gives some back to the
kernel, which clears them page by page when they are asked for again; jemalloc and tcmalloc make steps of small models a
fifth faster where the system has them (benchmarks/allocator.py). The numbers that come out are the same.
"""

import os
import sys
from pathlib import Path

from cygnet.errors import UserError

_BEFORE = "CYGNET_LD_PRELOAD"  # what LD_PRELOAD was, in a process that was started anew
_CHOICE = "CYGNET_ALLOCATOR"
_PLACES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib")
_NAMES = ("libjemalloc.so.2", "libtcmalloc_minimal.so.4", "libtcmalloc.so.4", "libmimalloc.so.2")
# jemalloc: keep freed memory for the next step, as `training.loop.prepare_machine` asks of glibc
_SETTINGS = {"MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1"}


def preload() -> None:
    """Start this process anew with another allocator, unless it was, has one, or there is none. Linux only.

    `CYGNET_ALLOCATOR` in the environment may name a library, or say "system" to leave things as they are. Programs that
    this process starts are not touched: they get the environment as it was.
    """
    before = os.environ.pop(_BEFORE, None)
    if before is not None:
        _restore(before)
        return
    wanted = os.environ.get("LD_PRELOAD", "")
    library = chosen()
    if sys.platform != "linux" or library is None or "malloc" in wanted:
        return
    settings = {name: value for name, value in _SETTINGS.items() if name not in os.environ}
    preloaded = f"{library}:{wanted}" if wanted else str(library)
    environment = {**os.environ, **settings, "LD_PRELOAD": preloaded, _BEFORE: ",".join(settings) + ";" + wanted}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606 - this program itself


def find_allocator() -> Path | None:
    """The system's jemalloc, tcmalloc or mimalloc; None if it has none."""
    found = (Path(place, name) for name in _NAMES for place in _PLACES)
    return next((path for path in found if path.is_file()), None)


def chosen() -> Path | None:
    """The library to preload: the one that the environment names, or the system's; None for the C library's own.

    Raises UserError for a file that isn't there.
    """
    choice = os.environ.get(_CHOICE)
    if choice == "system":
        return None
    if choice and not Path(choice).is_file():
        raise UserError(
            f'{_CHOICE} names {choice}, which is no file. Unset it, or say "system" for the C library\'s own.'
        )
    return Path(choice).resolve() if choice else find_allocator()


def _restore(before: str) -> None:
    settings, _, preloaded = before.partition(";")
    for name in ["LD_PRELOAD", *settings.split(",")]:
        os.environ.pop(name, None)
    if preloaded:
        os.environ["LD_PRELOAD"] = preloaded
