"""Which page is asked for next: hosts side by side, each by itself in single file."""

import asyncio
import time
from typing import Protocol

from cygnet.corpus.crawl.fetch import Fetcher, FetchError, Response
from cygnet.corpus.crawl.frontier import Frontier, Item
from cygnet.corpus.crawl.judge import Judge
from cygnet.corpus.crawl.manners import AsleepError, Gate, StoppedError, retry_after
from cygnet.corpus.crawl.robots import MOST_BYTES, MOST_REDIRECTS, Robots, rules_in
from cygnet.corpus.crawl.settings import CrawlSettings
from cygnet.corpus.crawl.urls import authority, canonical, origin

_HOSTS_AT_ONCE = 50
_HOST_REFUSALS = 8  # in a row, whatever the page, until a host is given up
_ROBOTS_VALID = 24 * 3600.0  # seconds; RFC 9309, section 2.4
_LOOK_AGAIN = 0.5  # seconds, after which hosts are looked for that have come up


class Progress(Protocol):
    """Whom a crawl tells how it gets on."""

    def tell(self, pages: int, waiting: int) -> None:
        """Pages that we have, and addresses that wait."""
        ...


class Closed(Exception):  # noqa: N818 - a state of a host that ends what was begun, not an error of ours
    """An origin that can't be asked: by which outcome, and why."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(detail)
        self.outcome, self.detail = outcome, detail


class Crawler:
    """One run, until nothing waits, a bound is reached or `stop` is set."""

    def __init__(
        self, frontier: Frontier, judge: Judge, fetcher: Fetcher, settings: CrawlSettings, hosts: frozenset[str]
    ) -> None:
        self._frontier, self._judge, self._fetcher, self._settings = frontier, judge, fetcher, settings
        self._hosts = hosts
        self.stop = asyncio.Event()
        self.asleep: set[str] = set()
        self._gates: dict[str, Gate] = {}
        self._robots: dict[str, Robots | Closed] = {}
        self._in_flight = 0

    def full(self) -> bool:
        """Whether a bound of the whole crawl is reached."""
        judge, bounds = self._judge, self._settings
        requests = int(self._frontier.fact("requests", 0))
        return judge.pages >= bounds.pages or judge.bytes >= bounds.all_bytes or requests >= bounds.requests

    async def run(self, progress: Progress) -> None:
        """Crawl."""
        tasks: dict[str, asyncio.Task[None]] = {}
        try:
            while not self.stop.is_set() and not self.full():
                self.asleep = {host for host in self.asleep if self._gates[host].is_asleep()}
                for host in self._frontier.waiting_hosts():
                    if host not in tasks and host not in self.asleep and len(tasks) < _HOSTS_AT_ONCE:
                        tasks[host] = asyncio.create_task(self._host(host))
                if not tasks:
                    break
                await asyncio.wait(tasks.values(), timeout=_LOOK_AGAIN, return_when=asyncio.FIRST_COMPLETED)
                for host, task in list(tasks.items()):
                    if task.done():
                        del tasks[host]
                        task.result()
                progress.tell(self._judge.pages, self._frontier.waiting())
            await asyncio.gather(*tasks.values())
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def _host(self, host: str) -> None:
        try:
            while not self.stop.is_set() and await self._room():
                item = self._frontier.next_of(host)
                if item is None:
                    return
                self._in_flight += 1
                try:
                    await self._one(item)
                finally:
                    self._in_flight -= 1
        except AsleepError:
            self.asleep.add(host)
        except StoppedError:
            return

    async def _room(self) -> bool:
        """Whether one page more may be asked for: those on their way count as if they were stored."""
        while not self.full():
            if self._judge.pages + self._in_flight < self._settings.pages:
                return True
            if self.stop.is_set():
                return False
            await asyncio.sleep(0.05)
        return False

    async def _one(self, item: Item) -> None:
        try:
            robots = await self._rules(origin(item.url))
        except Closed as closed:
            self._frontier.end(item.url, closed.outcome, closed.detail)
            self._frontier.commit()
            return
        if not robots.allows(item.url):
            self._frontier.end(item.url, "robots", "robots.txt disallows it")
            self._frontier.commit()
        elif item.tries >= self._settings.attempts:
            self._frontier.end(item.url, "gave_up", f"begun {item.tries} times, each time the process ended")
            self._frontier.commit()
        else:
            await self._ask(item)

    async def _ask(self, item: Item) -> None:
        gate = self._gate(item.url)
        try:
            async with gate:
                self._frontier.begin(item)
                conditions = self._judge.conditions(item)
                response = await self._fetcher.get(
                    item.url, conditions, wanted=lambda response: self._judge.wanted(item, response)
                )
        except FetchError as error:
            self._failed(item, gate, error)
            return
        if response.status in {429, 503}:
            self._refused(item, gate, response)
        elif response.status >= 500 and item.tries + 1 < self._settings.attempts:
            gate.accepted()  # it waits on, behind those tried less often
        else:
            gate.accepted()
            self._judge.settle(item, response)

    def _failed(self, item: Item, gate: Gate, error: FetchError) -> None:
        attempts = 2 if error.outcome == "timed_out" else self._settings.attempts
        if error.outcome == "unreachable":
            gate.refused(None)
        if not error.again or item.tries + 1 >= attempts:
            self._frontier.end(item.url, error.outcome, error.detail)
        self._give_up_if_deaf(gate, error.outcome, error.detail)

    def _refused(self, item: Item, gate: Gate, response: Response) -> None:
        detail = f"answered {response.status} {response.reason}".strip()
        gate.refused(retry_after(response))
        if item.tries + 1 >= self._settings.attempts:
            self._frontier.end(item.url, "refused", f"{detail}, {item.tries + 1} times")
        self._give_up_if_deaf(gate, "refused", detail)

    def _give_up_if_deaf(self, gate: Gate, outcome: str, detail: str) -> None:
        if gate.refusals >= _HOST_REFUSALS:
            self._frontier.end_all_of(gate.host, outcome, f"{gate.host} was given up after {_HOST_REFUSALS}: {detail}")
        self._frontier.commit()

    def _gate(self, url: str) -> Gate:
        host = authority(url)
        if host not in self._gates:
            settings = self._settings
            self._gates[host] = Gate(host, self._frontier, settings.delay, settings.patience, self.stop)
        return self._gates[host]

    async def _rules(self, at: str) -> Robots:
        """The rules of an origin; fetched when they are first needed, and after a day again. Raises Closed."""
        known = self._robots.get(at)
        if known is None:
            text = self._frontier.robots(at, time.time() - _ROBOTS_VALID)
            try:
                known = Robots(text) if text is not None else await self._fetch_rules(at)
            except Closed as closed:
                known = closed
            self._robots[at] = known
            if isinstance(known, Robots):
                self._gate(at).slow_down(known.delay)
        if isinstance(known, Closed):
            raise known
        return known

    async def _fetch_rules(self, at: str) -> Robots:
        for attempt in range(1, self._settings.attempts + 1):
            gate = self._gate(at)
            response: Response | None = None
            try:
                response = await self._robots_response(at)
                detail = f"robots.txt answered {response.status} {response.reason}".strip()
                rules = rules_in(response)
            except FetchError as error:
                detail, rules = f"robots.txt: {error.detail}", None
                if not error.again:
                    named = error.outcome == "private_address"
                    raise Closed("private_address" if named else "robots_unavailable", detail) from error
            if rules is not None:
                gate.accepted()
                self._frontier.set_robots(at, rules.text, time.time())
                for sitemap in rules.sitemaps:
                    if (url := canonical(sitemap, f"{at}/")) is not None:
                        self._judge.take_up(url, "sitemap", 0, 0, f"{at}/robots.txt")
                self._frontier.commit()
                return rules
            if attempt < self._settings.attempts:
                gate.refused(retry_after(response) if response else None)
        gate.accepted()
        raise Closed("robots_unavailable", f"{detail}, {attempt} times, so nothing of {at} may be asked for")

    async def _robots_response(self, at: str) -> Response:
        """Follow a robots.txt to where it is, on hosts that we may ask only. Raises FetchError."""
        url = f"{at}/robots.txt"
        for _ in range(MOST_REDIRECTS + 1):
            async with self._gate(url):
                response = await self._fetcher.get(url, most=MOST_BYTES, cut=True)
            if response.location is None:
                return response
            target = canonical(response.location, url)
            if target is None or authority(target) not in self._hosts:
                raise FetchError("robots", f"it leads to {target or response.location}, which may not be asked for")
            url = target
        return Response(url, 404, "redirected too often", (), b"")  # as RFC 9309, section 2.3.1.2, has it
