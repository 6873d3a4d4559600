"""Where tasks run. Every engine runs the same functions on the same files, so the outputs are equal byte for byte."""

from collections.abc import Callable, Sequence
from typing import Protocol

from cygnet.corpus.pipeline.task import Task
from cygnet.errors import UserError

Told = Callable[[Task], None]  # told of each task that has been done


class Engine(Protocol):
    """Runs tasks, whose inputs are all there, in any order."""

    def run(self, tasks: Sequence[Task], done: Told) -> None:
        """Returns when all are done.

        Raises:
            UserError: when one can't be done; the others are done, or will be by the next run.
        """

    def cluster(self) -> str | None:
        """The address of its Ray cluster, started if it must be, for those who use it by themselves; None without."""

    def close(self) -> None:
        """Let go of what was started for the runs."""


def engine_at(address: str, workers: int) -> Engine:
    """local, ray (a cluster of its own on this machine), ray://host:port or slurm.

    Raises:
        UserError: for any other address, or when the engine's package is missing.
    """
    if address == "local":
        from cygnet.corpus.pipeline.engines.local import Local

        return Local(workers)
    if address == "ray" or address.startswith("ray://"):
        from cygnet.corpus.pipeline.engines.ray import Ray

        return Ray(None if address == "ray" else address, workers)
    if address == "slurm":
        from cygnet.corpus.pipeline.engines.slurm import Slurm

        return Slurm(workers)
    raise UserError(f"there is no engine {address!r}. Choose local, ray, ray://host:port or slurm.")
