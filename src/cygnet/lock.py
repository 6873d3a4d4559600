"""One process at a time in a run folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cygnet.errors import UserError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder`, made if need be, for this process; the system lets go of it however the process ends.

    Raises:
        UserError: naming the process that holds it, or when the folder can't be made because a file is in the way.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{folder} can't be a folder: a file is in the way. Choose another --out.") from error
    with (folder / ".lock").open("a+", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            raise UserError(
                f"another cygnet (process {handle.read().strip()}) is at work in {folder}. "
                "Wait until it has finished, or choose another --out."
            ) from error
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


@contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Hold `folder`, made if need be, after whoever has it now."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
