"""When a host may be asked again: one request at a time, a pause after each, a longer one when it asks for it."""

import asyncio
import time
from email.utils import parsedate_to_datetime

from cygnet.corpus.crawl.fetch import Response
from cygnet.corpus.crawl.frontier import Frontier


class AsleepError(Exception):
    """A host that may not be asked for longer than a crawl waits."""


class StoppedError(Exception):
    """The crawl is being ended; nothing new is asked."""


class Gate:
    """One host's. Pauses are kept in the frontier too, so that a new process keeps to them."""

    def __init__(self, host: str, frontier: Frontier, delay: float, patience: float, stop: asyncio.Event) -> None:
        not_before, self.refusals = frontier.host(host)
        self.host, self.delay = host, delay
        self._frontier, self._patience, self._stop = frontier, patience, stop
        self._free_at = time.monotonic() + max(0.0, not_before - time.time())
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> None:
        """Wait for the turn. Raises StoppedError, or AsleepError where that would take too long."""
        await self._turn.acquire()
        try:
            while (wait := self._free_at - time.monotonic()) > 0 or self._stop.is_set():
                if self._stop.is_set():
                    raise StoppedError
                if self.is_asleep():
                    raise AsleepError
                await self._sleep(wait)
        except BaseException:
            self._turn.release()
            raise
        self._remember(self.delay)  # were this process to end now, the next one waits

    async def __aexit__(self, *_: object) -> None:
        self.hold(self.delay)
        self._turn.release()

    def is_asleep(self) -> bool:
        """Whether it is to be left alone for longer than a crawl waits."""
        return self._free_at - time.monotonic() > self._patience

    def slow_down(self, delay: float) -> None:
        """Pause at least so long after each request; from the one before the next on."""
        if delay > self.delay:
            self.hold(delay)
            self.delay = delay

    def refused(self, wait: float | None) -> float:
        """It answered that it won't now, and perhaps for how many seconds; it is left alone twice as long each time.

        Returns the seconds.
        """
        self.refusals += 1
        pause = wait if wait is not None else min(max(self.delay, 0.01) * 2**self.refusals, self._patience)
        self.hold(pause)
        return pause

    def accepted(self) -> None:
        """It answered."""
        self.refusals = 0

    def hold(self, seconds: float) -> None:
        """Not to be asked for so long."""
        self._free_at = max(self._free_at, time.monotonic() + seconds)
        self._remember(self._free_at - time.monotonic())

    def _remember(self, seconds: float) -> None:
        self._frontier.set_host(self.host, time.time() + seconds, self.refusals)
        self._frontier.commit()

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return


def retry_after(response: Response) -> float | None:
    """Seconds that a Retry-After header asks for, whether it gives seconds or a date; None without a readable one."""
    value = response.header("retry-after").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
