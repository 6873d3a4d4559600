"""A crawl from beginning to end, into one folder: begun, gone on with after any end, or repeated."""

import asyncio
import contextlib
import signal
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cygnet.corpus.crawl.crawler import Crawler
from cygnet.corpus.crawl.fetch import Fetcher
from cygnet.corpus.crawl.frontier import Frontier
from cygnet.corpus.crawl.judge import Judge
from cygnet.corpus.crawl.progress import Line
from cygnet.corpus.crawl.report import CrawlSummary, reasons_of
from cygnet.corpus.crawl.settings import CrawlSettings, allowed_hosts, read_starts
from cygnet.corpus.crawl.urls import excluded_by
from cygnet.corpus.crawl.warc import WarcFiles
from cygnet.errors import UserError
from cygnet.files import write_json, write_jsonl
from cygnet.lock import locked
from cygnet.terminal import printable


def crawl(starts: Sequence[str], out: Path, settings: CrawlSettings, progress: bool = True) -> CrawlSummary:
    """Crawl from these pages into the folder `out`: `crawl-00001.warc.gz`, …, `crawl.json` and `urls.jsonl`.

    A crawl that was ended, however, is gone on with. One that was finished is repeated: pages are asked for only if
    they have changed since (ETag, Last-Modified), and what has changed is added.

    Raises:
        UserError: for addresses and settings that make no sense, when none of the start pages could be had, or when
            the folder can't be used.
        KeyboardInterrupt: after Ctrl-C, when the requests under way have been dealt with.
    """
    urls = read_starts(starts)
    hosts = allowed_hosts(urls, settings.hosts)
    with locked(out), _frontier(out / "frontier.sqlite") as frontier:
        info = {"software": settings.user_agent, "format": "WARC File Format 1.1", "robots": "obey"}
        files = WarcFiles(out, settings.file_bytes, info)
        try:
            judge = Judge(frontier, files, settings, hosts)
            judge.recover()
            judge = _begin(frontier, files, judge, urls, settings, hosts)
            ended_by = asyncio.run(_run(frontier, judge, settings, hosts, progress))
            if ended_by in {"done", "bound"}:
                files.close()
        finally:
            files.leave()
        summary = _summary(out, frontier, files, judge, ended_by)
        _write(out, frontier, summary, urls, hosts, settings)
        if ended_by == "interrupted":
            raise KeyboardInterrupt
        _complain_if_nothing(frontier, urls, summary)
    return summary


@contextmanager
def _frontier(path: Path) -> Iterator[Frontier]:
    frontier = Frontier(path)
    try:
        yield frontier
    except sqlite3.Error as error:
        raise UserError(f"could not write {path}: {error}. Free some room; then the same command goes on.") from error
    finally:
        frontier.close()


def _begin(
    frontier: Frontier,
    files: WarcFiles,
    judge: Judge,
    urls: Sequence[str],
    settings: CrawlSettings,
    hosts: frozenset[str],
) -> Judge:
    """Go on, or begin a new round where the last one is over and nothing was added to it."""
    new = [url for url in urls if not frontier.knows(url)]
    over = frontier.fact("ended_by", "") == "done" or (
        frontier.fact("ended_by", "") == "bound" and judge.pages >= settings.pages
    )
    if over and not new:
        frontier.begin_again()
        for name in ("bytes", "sitemaps"):
            frontier.set_fact(name, 0)
        frontier.set_fact("round", int(frontier.fact("round", 1)) + 1)
        judge = Judge(frontier, files, settings, hosts)
    for host in set(frontier.waiting_hosts()) - hosts:
        frontier.end_all_of(host, "not_allowed_host", host)
    for host in hosts:
        frontier.reopen(host)
    frontier.exclude(lambda url: excluded_by(url, settings.exclude))
    for url in urls:
        judge.take_up(url, "page", 0, 0, "")
    frontier.set_fact("ended_by", "")
    frontier.commit()
    return judge


async def _run(frontier: Frontier, judge: Judge, settings: CrawlSettings, hosts: frozenset[str], progress: bool) -> str:
    """Run to the end. Returns what ended it: done, bound, asleep or interrupted."""
    began, line = time.monotonic(), Line(settings.pages, progress)
    async with Fetcher(settings) as fetcher:
        crawler = Crawler(frontier, judge, fetcher, settings, hosts)
        with _ctrl_c_stops(crawler):
            await crawler.run(line)
        line.end()
    if crawler.stop.is_set():
        ended_by = "interrupted"
    elif not frontier.waiting():
        ended_by = "done"
    else:
        ended_by = "bound" if crawler.full() else "asleep"
    frontier.set_fact("seconds", int(frontier.fact("seconds", 0)) + round(time.monotonic() - began))
    frontier.set_fact("ended_by", ended_by)
    frontier.commit()
    return ended_by


@contextmanager
def _ctrl_c_stops(crawler: Crawler) -> Iterator[None]:
    """The first Ctrl-C lets requests under way end; a second one doesn't."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        crawler.stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):  # not in the main thread, or on Windows
        loop.add_signal_handler(signal.SIGINT, stop)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
            loop.remove_signal_handler(signal.SIGINT)


def _summary(out: Path, frontier: Frontier, files: WarcFiles, judge: Judge, ended_by: str) -> CrawlSummary:
    outcomes = dict(sorted(frontier.counts().items()))
    return CrawlSummary(
        out=str(out),
        pages=judge.pages,
        outcomes=outcomes,
        reasons=reasons_of(outcomes, frontier.reasons),
        files=files.names(),
        stored_bytes=judge.bytes,
        requests=int(frontier.fact("requests", 0)),
        seconds=float(frontier.fact("seconds", 0)),
        links_cut=int(frontier.fact("links_cut", 0)),
        ended_by=ended_by,
    )


def _write(
    out: Path,
    frontier: Frontier,
    summary: CrawlSummary,
    urls: Sequence[str],
    hosts: frozenset[str],
    settings: CrawlSettings,
) -> None:
    about = {
        "starts": list(urls),
        "hosts": sorted(hosts),
        "user_agent": settings.user_agent,
        "bounds": settings.bounds,
        "round": int(frontier.fact("round", 1)),
    }
    write_jsonl(out / "urls.jsonl", frontier.rows())
    write_json(out / "crawl.json", {**about, **summary.to_json()})


def _complain_if_nothing(frontier: Frontier, urls: Sequence[str], summary: CrawlSummary) -> None:
    if summary.pages or summary.ended_by == "asleep":
        return
    raise UserError(printable("no page could be stored. " + " ".join(_fate(frontier, url) for url in urls)))


def _fate(frontier: Frontier, url: str, hops: int = 0) -> str:
    """What became of an address and, if it redirects, of its target."""
    outcome, detail = frontier.outcome(url)
    if outcome == "redirected" and hops < 10:
        target = detail.partition(" to ")[2]
        return f"{url} redirects to {target}. {_fate(frontier, target, hops + 1)}"
    hint = f" Allow it with --host {detail}." if outcome == "not_allowed_host" else ""
    return f"{url}: {outcome or 'not asked for'}{f' ({detail})' if detail else ''}.{hint}"
