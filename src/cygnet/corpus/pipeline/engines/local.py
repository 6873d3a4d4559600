"""Processes on this machine. One that is killed costs the shards it had in hand: they are begun again."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context

from cygnet.corpus.pipeline.engines import Told
from cygnet.corpus.pipeline.stages import carry_out
from cygnet.corpus.pipeline.task import Task, is_done
from cygnet.errors import UserError

_MOST_DEATHS = 3  # of workers in one stage; more are no accident


@dataclass(frozen=True)
class Local:
    """workers: processes at most; with one, tasks run in this process."""

    workers: int

    def run(self, tasks: Sequence[Task], done: Told) -> None:
        """See `Engine`."""
        if self.workers <= 1 or len(tasks) <= 1:
            for task in tasks:
                carry_out(task)
                done(task)
            return
        waiting, deaths = list(tasks), 0
        while waiting:
            try:
                self._run(waiting, done)
                return
            except BrokenProcessPool as error:
                deaths += 1
                waiting = [task for task in waiting if not is_done(task)]
                if deaths > _MOST_DEATHS:
                    names = ", ".join(task.output for task in waiting[: self.workers])
                    raise UserError(
                        f"{deaths} processes were killed at work, the last near {names}. If memory ran out, run the "
                        "same command with fewer --workers: it goes on where it stopped."
                    ) from error

    def _run(self, tasks: Sequence[Task], done: Told) -> None:
        with ProcessPoolExecutor(min(self.workers, len(tasks)), mp_context=get_context("spawn")) as pool:
            running = {pool.submit(carry_out, task): task for task in tasks}
            try:
                for future in as_completed(running):
                    future.result()
                    done(running[future])
            except BaseException:  # Ctrl-C, or a shard that can't be done: those that wait don't begin
                pool.shutdown(wait=True, cancel_futures=True)
                raise
