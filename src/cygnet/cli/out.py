"""`--out`: the option of all verbs that make a folder, and what is asked of it before anything is done."""

import os
from pathlib import Path
from typing import Any

from cyclopts import Parameter

from cygnet.errors import UserError
from cygnet.files import check_name, name_aside


def check_out(_: Any, out: Path | None) -> None:
    """Raise UserError unless `out` is a folder or can become one, and be written aside before.

    Whether the disk has room for it, and lets us write, shows when the work begins.
    """
    if out is None:  # the verb chooses
        return
    check_name(out)
    path = Path(os.path.realpath(out))
    there = next(place for place in (path, *path.parents) if os.path.lexists(place))
    if not there.is_dir():
        raise UserError(f"--out {out} can't be a folder: a file is in the way, {there}. Choose another --out.")
    longest = os.pathconf(there, "PC_NAME_MAX")
    for name in (*path.relative_to(there).parts, name_aside(path)):
        if len(os.fsencode(name)) > longest:
            raise UserError(
                f"--out {out}: names have {longest} bytes at most there, and while it is made it is called {name}. "
                "Choose a shorter one."
            )


OUT = Parameter(alias="-o", validator=check_out)
