"""Several processes that train together, on this machine, through gloo."""

import multiprocessing
import os
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import torch

from cygnet.errors import UserError
from cygnet.training.world import World, joined

Job = Callable[[World], Any]


def _child(rank: int, size: int, port: int, job: Job, patience: float, results: Any) -> None:
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    torch.set_num_threads(1)
    try:
        with joined(patience=timedelta(seconds=patience)) as world:
            results.send(job(world))
    except (UserError, KeyboardInterrupt) as error:
        results.send(error)


@pytest.fixture
def together() -> Callable[..., list[Any]]:
    """Calls a function with the world in `size` processes; returns what each returned, or the error it ended with.

    None stands for a process that was killed. Processes are forked, so that torch need not be imported again.
    """

    def together(size: int, job: Job, patience: float = 60.0) -> list[Any]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        context = multiprocessing.get_context("fork")
        pipes = [context.Pipe(duplex=False) for _ in range(size)]
        processes = [
            context.Process(target=_child, args=(rank, size, port, job, patience, pipes[rank][1]))
            for rank in range(size)
        ]
        for process in processes:
            process.start()
        for _, end in pipes:
            end.close()
        results = []
        for receiver, _ in pipes:
            try:
                results.append(receiver.recv())
            except EOFError:
                results.append(None)
        for process in processes:
            process.join()
        return results

    return together
