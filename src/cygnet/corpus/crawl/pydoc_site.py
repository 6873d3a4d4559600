"""The pages that `python -m pydoc` serves of the Python that is installed: a site that every machine has."""

import os
import pydoc
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from cygnet.corpus.crawl.run import crawl
from cygnet.corpus.crawl.settings import CrawlSettings
from cygnet.corpus.standard_library import UNUSED_FOLDERS
from cygnet.errors import UserError
from cygnet.files import read_json, write_aside, write_json

# `python -m pydoc -p PORT`, but for its end: once its pages have imported threading anew, it waits for ever
_SERVE = """
import os, pydoc, sys
pydoc.input = lambda _: sys.stdin.readline() or os._exit(0)
pydoc.browse(int(sys.argv[1]), open_browser=False)
"""
_COMMAND = [sys.executable, "-I", "-S", "-u", "-c", _SERVE]
_READY = re.compile(rb"Server ready at (http://\S+)")
_SECONDS = 60.0  # until it is ready; it takes a twentieth of one
# No more of the environment, for it stands in pages: as os.environ, and where that is an argument's default.
_ENVIRONMENT = {"HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "BROWSER": "true"}
_PASSED_ON = ("LD_LIBRARY_PATH",)  # without it some Pythons don't start
_MOST_PAGES = 100_000
_BEGUN = "begun.json"  # of a crawl that is not over: where, and with which notes

_NO_DOCUMENTATION = (
    "/",  # once more the index
    "/keywords.html",
    "/topic[?]key=[!A-Z]*",  # of a keyword or module, whose page is another
    "/get[?]*",
    "/getfile*",
    "/search*",
    "/_[!_]*",  # private modules, but not __future__
    "/__[!f]*",
    "/xx*",  # examples of extension modules
)
_ACT_ON_IMPORT = ("/antigravity.*", "/this.*", "/*.__main__.*")


def excluded() -> tuple[str, ...]:
    """Globs of the pages that are not asked for."""
    unused = [glob for name in sorted(UNUSED_FOLDERS) for glob in (f"/{name}.*", f"/*.{name}.*")]
    again = [f"/topic[?]key={name}" for name in pydoc.Helper.topics if name not in topics()]
    return (*_NO_DOCUMENTATION, *_ACT_ON_IMPORT, *unused, *again)


def topics() -> dict[str, str]:
    """The topics of `help()` with the section of the language reference that each shows, each section once."""
    found: dict[str, str] = {}
    for name, shown in sorted(pydoc.Helper.topics.items()):
        if isinstance(shown, tuple) and shown[0] not in found.values():
            found[name] = shown[0]
    return found


def crawl_pydoc(out: Path, notes: Mapping[str, Any] | None = None) -> int:
    """Crawl them into the folder `out`, which is whole or absent and replaced if it is there; returns the pages.

    `notes` are files of JSON that are put beside them. A crawl that was interrupted is gone on with, if its notes were
    the same and its port is free: addresses have that in them.

    Raises:
        UserError: when pydoc doesn't start, or its pages can't be had.
        KeyboardInterrupt: after Ctrl-C; what was fetched until then stays, beside `out`.
    """
    notes = notes or {}
    settings = CrawlSettings(pages=_MOST_PAGES, delay=0, allow_private=True, exclude=excluded())
    begun = out.with_name(f".{out.name}.begun")
    with _served(_port(begun, notes)) as url:
        begun.mkdir(parents=True, exist_ok=True)
        write_json(begun / _BEGUN, {"port": urlsplit(url).port, "notes": dict(notes)})
        summary = crawl([f"{url}index.html", f"{url}topics.html"], begun, settings)
    if summary.ended_by != "done":
        shutil.rmtree(begun)
        raise UserError(f"pydoc did not serve all of its pages. {summary.in_words()}")
    (begun / _BEGUN).unlink()
    for name, note in notes.items():
        write_json(begun / name, note)
    with write_aside(out) as folder:
        begun.rename(folder)
    return summary.pages


def _port(begun: Path, notes: Mapping[str, Any]) -> int:
    """Where the crawl in this folder can be gone on with. 0, which is any, where it can't be: it is removed then."""
    with suppress(UserError, KeyError, TypeError, OverflowError):  # what is no note of ours is not gone on with
        said = read_json(begun / _BEGUN)
        if said["notes"] == dict(notes) and _is_free(said["port"]):
            return int(said["port"])
    shutil.rmtree(begun, ignore_errors=True)
    return 0


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            tried.bind(("localhost", port))
        except OSError:
            return False
    return True


@contextmanager
def _served(port: int) -> Iterator[str]:
    """Serve the pages; their address. It ends with the block, and when this process ends however it does: its input
    is closed then."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        known = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        server = subprocess.Popen(  # noqa: S603 - this Python
            [*_COMMAND, str(port)],
            cwd=folder,  # pydoc lists, and imports, what lies in its folder
            env=known | _ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
        try:
            yield _address(server, log)
        finally:
            server.kill()
            server.communicate()


def _address(server: "subprocess.Popen[bytes]", log: BinaryIO) -> str:
    began = time.monotonic()
    while time.monotonic() - began < _SECONDS:
        ended = server.poll() is not None
        said = os.pread(log.fileno(), 1 << 16, 0)
        if found := _READY.search(said):
            return found[1].decode()
        if ended:
            break
        time.sleep(0.01)
    told = said.decode(errors="replace").strip()[-500:]
    raise UserError(f"`{sys.executable} -m pydoc` does not serve its pages: {told}")
