"""Ctrl-C between updates, not in the middle of one."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cygnet.training.world import launched


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """Turn the first Ctrl-C into a request, in the list, that the loop honors at its next line.

    The second is immediate, but not with several processes: a terminal and torchrun send one each, and all must stop at
    the same update.
    """
    requests: list[int] = []

    def request(number: int, _frame: Any) -> None:
        if requests and launched() == 1:
            raise KeyboardInterrupt
        requests.append(number)

    try:
        previous = signal.signal(signal.SIGINT, request)
    except ValueError:  # not the main thread: signals are somebody else's
        yield requests
        return
    try:
        yield requests
    finally:
        signal.signal(signal.SIGINT, previous)
