"""Replies kept on disk, so that nothing is asked or paid twice, also after a crash."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from cygnet.errors import UserError
from cygnet.lm.base import Reply, Token, Usage

_BUSY_SECONDS = 60.0
_TABLE = "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, endpoint TEXT NOT NULL, reply TEXT NOT NULL)"


class ReplyCache:
    """Replies of one model at one endpoint, in FOLDER/replies.sqlite. Threads, processes and endpoints may share it.

    A reply is found again by the endpoint, the request's whole body and the number of the sample. SQLite's own
    journal makes an entry whole or absent, whenever the process is killed.
    """

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.path, self._endpoint = folder / "replies.sqlite", endpoint
        self._lock = threading.Lock()
        with self._explained():
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, check_same_thread=False)
            try:
                with self._database:
                    self._database.execute(_TABLE)
                    self._database.execute("CREATE INDEX IF NOT EXISTS by_endpoint ON replies (endpoint)")
            except sqlite3.Error:
                self._database.close()
                raise

    def __len__(self) -> int:
        with self._lock, self._explained():
            (count,) = self._database.execute(
                "SELECT count(*) FROM replies WHERE endpoint = ?", (self._endpoint,)
            ).fetchone()
            return int(count)

    def get(self, body: Mapping[str, Any], samples: Iterable[int]) -> dict[int, Reply]:
        """Those of the samples that are kept: what they took once, less time, money and calls."""
        keys = {sample: self._key(body, sample) for sample in samples}
        found = {}
        with self._lock, self._explained():
            for sample, key in keys.items():
                if row := self._database.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone():
                    found[sample] = _read(row[0])
        return found

    def put(self, body: Mapping[str, Any], replies: Mapping[int, Reply]) -> None:
        """Keep replies, each under the number of its sample. The first one kept under a number stays."""
        rows = [(self._key(body, sample), self._endpoint, _written(reply)) for sample, reply in replies.items()]
        with self._lock, self._explained(), self._database:
            self._database.executemany("INSERT OR IGNORE INTO replies VALUES (?, ?, ?)", rows)

    def close(self) -> None:
        """Close the file. It may be called twice."""
        with self._lock:
            self._database.close()

    def _key(self, body: Mapping[str, Any], sample: int) -> str:
        whole = json.dumps([self._endpoint, body, sample], sort_keys=True)
        return blake2b(whole.encode(), digest_size=16).hexdigest()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise UserError(
                f"the cache of replies {self.path} can't be used: {error}. "
                "See that there is room and permission to write; if the file is damaged, delete it."
            ) from error


def _written(reply: Reply) -> str:
    return json.dumps({key: value for key, value in asdict(reply).items() if key != "completion"})


def _read(text: str) -> Reply:
    kept = json.loads(text)
    tokens = tuple(
        Token(token["text"], token["logprob"], tuple((other, value) for other, value in token["top"]))
        for token in kept["tokens"]
    )
    usage = replace(Usage(**kept["usage"]), seconds=0.0, cost=0.0, calls=0)
    return Reply(kept["text"], kept["finish_reason"], usage, tokens)
