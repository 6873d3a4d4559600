"""What requests took that were answered beside one that failed: it is paid, so the failure tells it."""

from collections.abc import Iterator
from contextlib import contextmanager

from cygnet.errors import UserError
from cygnet.lm.base import Usage


@contextmanager
def telling() -> Iterator[list[Usage]]:
    """A list for what requests take, which threads may share; a UserError in the block is told what is in it."""
    taken: list[Usage] = []
    try:
        yield taken
    except UserError as error:
        vars(error)["taken"] = sum(taken, Usage())
        raise


def taken_beside(error: UserError) -> Usage:
    """What an error was told; nothing where it was told nothing."""
    told: Usage = vars(error).get("taken", Usage())
    return told
