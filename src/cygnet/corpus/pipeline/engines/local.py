"""Processes on this machine. One that is killed costs the shard it had in hand: another begins it again.

Each has a pipe of its own. The standard library's pool shares one queue among its processes, and one that is killed
while it holds that queue's lock leaves the others waiting for ever.
"""

import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from cygnet.corpus.pipeline.engines import Told
from cygnet.corpus.pipeline.stages import carry_out
from cygnet.corpus.pipeline.task import Task
from cygnet.errors import UserError

_MOST_DEATHS = 3  # at work on one shard; more are no accident


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
        waiting = list(reversed(tasks))
        deaths = dict.fromkeys((task.output for task in tasks), 0)
        workers = [_Worker() for _ in range(min(self.workers, len(tasks)))]
        try:
            while waiting or any(worker.task for worker in workers):
                for worker in workers:
                    if waiting and worker.task is None:
                        worker.begin(waiting.pop())
                for worker in _ready(workers):
                    task, ended = worker.end()
                    if ended:
                        done(task)
                        continue
                    deaths[task.output] += 1
                    if deaths[task.output] > _MOST_DEATHS:
                        raise UserError(_killed(task))
                    waiting.append(task)
                    workers[workers.index(worker)] = _Worker()
        finally:
            for worker in workers:
                worker.stop()

    def cluster(self) -> None:
        """It has none."""

    def close(self) -> None:
        """Nothing outlives a run."""


class _Worker:
    """A process that does one task after the other."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_work, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.task: Task | None = None

    def begin(self, task: Task) -> None:
        """Hand it a task."""
        self.task = task
        with suppress(BrokenPipeError):  # it is dead, which `end` will tell
            self.pipe.send(task)

    def end(self) -> tuple[Task, bool]:
        """The task it had, and whether it is done (else the process died). Raises what the task raised."""
        task, self.task = self.task, None
        assert task is not None
        try:
            error = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            return task, False
        if error is not None:
            raise error
        return task, True

    def stop(self) -> None:
        """End the process, whatever it does. What it was writing is not there, or begun aside."""
        self.pipe.close()
        self.process.terminate()
        self.process.join()


def _ready(workers: Sequence[_Worker]) -> list[_Worker]:
    """Those at work that have something to say, or died. Waits for one."""
    pipes = {worker.pipe: worker for worker in workers if worker.task}
    return [pipes[pipe] for pipe in wait(list(pipes)) if isinstance(pipe, Connection)]


def _work(pipe: Connection) -> None:
    """The process: tasks in, None or the exception out. Ctrl-C reaches it too, but it is the parent that ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        failure: Exception | None = None
        try:
            carry_out(task)
        except Exception as error:  # noqa: BLE001 - the parent raises it
            failure = error
        try:
            pipe.send(failure)
        except BrokenPipeError:  # the parent was killed; what was done is kept
            return


def _killed(task: Task) -> str:
    return (
        f"the process at work on {task.output} was killed {_MOST_DEATHS + 1} times. If memory ran out, run the same "
        "command with fewer --workers: it goes on where it stopped."
    )
