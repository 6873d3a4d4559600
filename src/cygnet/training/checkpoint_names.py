"""How checkpoints are called: `step_00000200` is the one after 200 updates. Other files beside them are the user's."""

import re
from pathlib import Path

from cygnet.errors import UserError

_STEP = re.compile(r"step_([0-9]{8,})")


def checkpoint_name(step: int) -> str:
    """The folder of the checkpoint after `step` updates."""
    return f"step_{step:08d}"


def steps_in(folder: Path) -> list[int]:
    """The steps of the checkpoints in `folder`, the earliest first; none if it isn't there.

    Raises UserError for a folder that can't be read: that is not to say that nothing is in it.
    """
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{folder} can't be read: {error.strerror}.") from error
    steps = [int(found[1]) for name in names if (found := _STEP.fullmatch(name))]
    return sorted(step for step in steps if checkpoint_name(step) in names)
