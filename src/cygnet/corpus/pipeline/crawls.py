"""The crawls that sources are made of, before anything is read: each in a folder of its own beside the corpus."""

import platform
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cygnet.corpus.reading.config import PydocSource, SiteSource, Source
from cygnet.errors import UserError
from cygnet.files import read_json

Crawled = SiteSource | PydocSource


def crawl_folder(out: Path, name: str) -> Path:
    """Where the crawl of a source lies, of a corpus in the folder `out`."""
    return out / "crawl" / name


def crawl_sources(sources: Mapping[str, Source], out: Path, progress: Callable[[str, int, int], None]) -> None:
    """Crawl what has to be crawled. One that was interrupted is gone on with; a finished one stays as it is.

    Raises:
        UserError: when a site can't be had, or asks to be left alone for longer than we wait.
        KeyboardInterrupt: after Ctrl-C; what was fetched until then stays.
    """
    for path in (out / "crawl").glob(".*.writing-*"):  # of killed processes
        shutil.rmtree(path, ignore_errors=True)
    crawls = {name: config for name, config in sources.items() if isinstance(config, Crawled)}
    waiting = [name for name, config in crawls.items() if not _is_done(config, crawl_folder(out, name))]
    if crawls:
        progress("crawl", len(crawls) - len(waiting), len(crawls))
    for number, name in enumerate(waiting, 1):
        config = crawls[name]
        if isinstance(config, SiteSource):
            _crawl_site(name, config, crawl_folder(out, name))
        else:
            _crawl_pydoc(name, crawl_folder(out, name))
        progress("crawl", len(crawls) - len(waiting) + number, len(crawls))


def _is_done(config: Crawled, folder: Path) -> bool:
    if isinstance(config, PydocSource):
        return _said(folder / "python.json") == _python()
    from cygnet.corpus.crawl.settings import allowed_hosts, read_starts

    said, settings, starts = _said(folder / "crawl.json"), config.settings(), read_starts(config.start)
    asked = {
        "starts": starts,
        "hosts": sorted(allowed_hosts(starts, settings.hosts)),
        "bounds": settings.bounds,
    }
    return said.get("ended_by") in ("done", "bound") and asked == {name: said.get(name) for name in asked}


def _said(path: Path) -> dict[str, Any]:
    found = read_json(path) if path.is_file() else {}
    return found if isinstance(found, dict) else {}


def _crawl_site(name: str, config: SiteSource, folder: Path) -> None:
    from cygnet.corpus.crawl import crawl

    summary = crawl(config.start, folder, config.settings())
    if summary.ended_by not in ("done", "bound"):
        raise UserError(f"source {name}: the crawl is not finished. {summary.in_words()}")


def _crawl_pydoc(name: str, folder: Path) -> None:
    from cygnet.corpus.crawl.pydoc_site import crawl_pydoc

    if (folder / "crawl.json").is_file() and not (folder / "python.json").is_file():
        raise UserError(f"source {name}: {folder} holds the crawl of a site. Move it away, or rename the source.")
    crawl_pydoc(folder, {"python.json": _python()})


def _python() -> dict[str, Any]:
    """What the pages depend on."""
    from cygnet.corpus.crawl.pydoc_site import excluded

    return {"python": platform.python_version(), "exclude": list(excluded())}
