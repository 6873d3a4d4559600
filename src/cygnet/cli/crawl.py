"""`cygnet crawl`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from cygnet.cli.out import OUT


def crawl(
    *starts: str,
    out: Annotated[Path, OUT] = Path("crawl"),
    pages: int = 1000,
    contact: str = "",
    host: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    exclude: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    delay: float = 1.0,
    depth: int = 30,
    page_megabytes: float = 10.0,
    megabytes: float = 10_000.0,
    page_seconds: float = 60.0,
    allow_private: bool = False,
) -> None:
    """Fetch a site's pages, politely, into WARC files. The same command goes on after any end, or looks for changes.

    Parameters
    ----------
    starts:
        Pages to begin at. Only their hosts are asked, and those of --host.
    out:
        The folder for WARC files, crawl.json (what came of it) and urls.jsonl (what became of each address).
    pages:
        To store at most.
    contact:
        Your mail address or page, sent with each request, so that the site's owner can write to you.
    host:
        Another host that may be asked, with a port where it isn't the usual one; may be repeated.
    exclude:
        A glob over path and query, as in '/calendar/*' or '*[?]sort=*': what matches isn't asked for; may be repeated.
    delay:
        Seconds between two requests to a host. A longer Crawl-delay in its robots.txt holds instead.
    depth:
        Clicks from a start page at most.
    page_megabytes:
        Of one page, unpacked, at most.
    megabytes:
        Of all pages, unpacked, at most.
    page_seconds:
        For one page at most.
    allow_private:
        Ask hosts in private networks and on this machine too.
    """
    from cygnet.corpus.crawl import CrawlSettings
    from cygnet.corpus.crawl import crawl as run

    settings = CrawlSettings(
        pages=pages,
        hosts=host,
        exclude=exclude,
        contact=contact,
        delay=delay,
        depth=depth,
        page_bytes=int(page_megabytes * 1e6),
        all_bytes=int(megabytes * 1e6),
        page_seconds=page_seconds,
        allow_private=allow_private,
    )
    print(run(starts, out, settings).in_words())
