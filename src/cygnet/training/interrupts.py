"""Ctrl-C and SIGTERM between updates, not in the middle of one."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from cygnet.training.world import launched


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """Turn the first Ctrl-C, or a cluster's SIGTERM, into a request, in the list, that the loop honors when it can.

    The second is immediate, but not with several processes: a terminal and torchrun send one each, and all must stop at
    the same update.
    """
    requests: list[int] = []

    def request(number: int, _frame: Any) -> None:
        if requests and launched() == 1:
            raise KeyboardInterrupt
        requests.append(number)

    with ExitStack() as restored:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                restored.callback(signal.signal, number, signal.signal(number, request))
            except ValueError:  # not the main thread: signals are somebody else's
                break
        yield requests
