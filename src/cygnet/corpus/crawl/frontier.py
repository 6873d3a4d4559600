"""What is to be crawled and what became of it: an SQLite file that is right after any end of the process."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cygnet.corpus.crawl.urls import authority, without_query
from cygnet.errors import UserError

_FORMAT = 1
_TABLES = f"""
PRAGMA user_version={_FORMAT};
CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE urls (
    id INTEGER PRIMARY KEY, url TEXT NOT NULL UNIQUE, host TEXT NOT NULL, kind TEXT NOT NULL, depth INTEGER NOT NULL,
    hops INTEGER NOT NULL, via TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, outcome TEXT,
    detail TEXT NOT NULL DEFAULT ''
);
CREATE INDEX waiting ON urls (host, tries, id) WHERE outcome IS NULL;
CREATE TABLE variants (path TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE hosts (host TEXT PRIMARY KEY, not_before REAL NOT NULL, refusals INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE robots (origin TEXT PRIMARY KEY, text TEXT NOT NULL, fetched REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE stored (
    url TEXT PRIMARY KEY, etag TEXT NOT NULL, modified TEXT NOT NULL, digest TEXT NOT NULL, file TEXT NOT NULL,
    start INTEGER NOT NULL
) WITHOUT ROWID;
"""
_MOST_VARIANTS = 200  # queries of one path


@dataclass(frozen=True)
class Item:
    """One address to ask for. kind: page or sitemap. hops: redirects that led here. tries: how often it was begun."""

    url: str
    kind: str
    depth: int
    hops: int
    tries: int


@dataclass(frozen=True)
class Stored:
    """The newest copy of a page that we have: what to ask a server whether it has changed, and where it lies."""

    etag: str
    modified: str
    digest: str
    file: str
    start: int


class Frontier:
    """Changes become permanent with `commit`, together."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._database = sqlite3.connect(path)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")  # WARC is flushed first: at worst we know less than it
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._database.executescript(f"BEGIN;{_TABLES}COMMIT;")
        except sqlite3.DatabaseError as error:
            raise UserError(f"{path} is not the frontier of a crawl ({error}). Choose another --out.") from error
        if version not in {0, _FORMAT}:
            raise UserError(f"{path} is of another version of cygnet. Choose another --out.")

    def close(self) -> None:
        """Leave what isn't committed."""
        self._database.close()

    def commit(self) -> None:
        """Make all changes so far permanent."""
        self._database.commit()

    def fact(self, name: str, default: int | str) -> int | str:
        """One fact about the crawl as a whole."""
        row = self._database.execute("SELECT value FROM facts WHERE name=?", (name,)).fetchone()
        return row[0] if row else default

    def set_fact(self, name: str, value: int | str) -> None:
        """Remember it."""
        self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def begin_again(self) -> None:
        """Forget what became of every address, for a new round; what is stored stays known."""
        for table in ("urls", "variants", "hosts", "robots"):
            self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
        for name in ("requests", "seconds", "links_cut"):
            self.set_fact(name, 0)

    def add(self, url: str, kind: str, depth: int, hops: int, via: str, outcome: tuple[str, str] | None = None) -> bool:
        """Take an address up, unless it is known; at once with its outcome if that is clear already."""
        name, detail = outcome or (None, "")
        row = (url, authority(url), kind, depth, hops, via, name, detail)
        columns = "url, host, kind, depth, hops, via, outcome, detail"
        added = self._database.execute(f"INSERT OR IGNORE INTO urls ({columns}) VALUES (?,?,?,?,?,?,?,?)", row)  # noqa: S608
        return added.rowcount > 0

    def knows(self, url: str) -> bool:
        """Whether it was taken up before."""
        return self._database.execute("SELECT 1 FROM urls WHERE url=?", (url,)).fetchone() is not None

    def one_variant_more(self, url: str) -> bool:
        """Count a query of a path; false when the path has had too many."""
        if "?" not in url:
            return True
        found = self._database.execute(
            "INSERT INTO variants VALUES (?, 1) ON CONFLICT DO UPDATE SET number = number + 1 RETURNING number",
            (without_query(url),),
        ).fetchone()
        return bool(found[0] <= _MOST_VARIANTS)

    def item(self, url: str) -> Item | None:
        """An address that waits."""
        return self._item("url=?", url)

    def next_of(self, host: str) -> Item | None:
        """The next address of a host: first those never tried, in the order in which they were found."""
        return self._item("host=? ORDER BY tries, id LIMIT 1", host)

    def _item(self, where: str, value: str) -> Item | None:
        query = f"SELECT url, kind, depth, hops, tries FROM urls WHERE outcome IS NULL AND {where}"  # noqa: S608
        row = self._database.execute(query, (value,)).fetchone()
        return Item(*row) if row else None

    def begin(self, item: Item) -> None:
        """Note that a request for it is about to be sent: one that ends the process each time must come to an end."""
        self._database.execute("UPDATE urls SET tries = tries + 1 WHERE url=?", (item.url,))
        self._database.execute("INSERT INTO facts VALUES ('requests', 1) ON CONFLICT DO UPDATE SET value = value + 1")
        self.commit()

    def end(self, url: str, outcome: str, detail: str = "") -> None:
        """What became of an address: exactly one outcome each."""
        self._database.execute(
            "UPDATE urls SET outcome=?, detail=? WHERE url=? AND outcome IS NULL", (outcome, detail[:500], url)
        )

    def end_all_of(self, host: str, outcome: str, detail: str) -> None:
        """Give all up that waits of a host."""
        self._database.execute(
            "UPDATE urls SET outcome=?, detail=? WHERE host=? AND outcome IS NULL", (outcome, detail[:500], host)
        )

    def outcome(self, url: str) -> tuple[str | None, str]:
        """What became of an address: name and detail; None while it waits or when it isn't known."""
        row = self._database.execute("SELECT outcome, detail FROM urls WHERE url=?", (url,)).fetchone()
        return (row[0], row[1]) if row else (None, "")

    def reopen(self, host: str) -> None:
        """Take up what was refused while this host wasn't on the list."""
        self._database.execute(
            "UPDATE urls SET outcome=NULL, detail='' WHERE host=? AND outcome='not_allowed_host'", (host,)
        )

    def exclude(self, by: Callable[[str], str | None]) -> None:
        """Judge anew what is excluded, of all that isn't asked for yet: `by` says by which glob an address is."""
        self._database.execute("UPDATE urls SET outcome=NULL, detail='' WHERE outcome='excluded'")
        self._database.create_function("by", 1, by, deterministic=True)
        self._database.execute(
            "UPDATE urls SET outcome='excluded', detail=by(url) WHERE outcome IS NULL AND by(url) IS NOT NULL"
        )

    def waiting(self) -> int:
        """Addresses that wait."""
        (number,) = self._database.execute("SELECT COUNT(*) FROM urls WHERE outcome IS NULL").fetchone()
        return int(number)

    def waiting_hosts(self) -> list[str]:
        """Hosts of which something waits."""
        rows = self._database.execute("SELECT DISTINCT host FROM urls WHERE outcome IS NULL ORDER BY host")
        return [host for (host,) in rows]

    def host(self, host: str) -> tuple[float, int]:
        """When it may be asked again (Unix time), and how often in a row it has refused."""
        row = self._database.execute("SELECT not_before, refusals FROM hosts WHERE host=?", (host,)).fetchone()
        return (row[0], row[1]) if row else (0.0, 0)

    def set_host(self, host: str, not_before: float, refusals: int) -> None:
        """Remember it."""
        self._database.execute("INSERT OR REPLACE INTO hosts VALUES (?, ?, ?)", (host, not_before, refusals))

    def robots(self, origin: str, newer_than: float) -> str | None:
        """The text of an origin's robots.txt, if it was fetched since."""
        row = self._database.execute(
            "SELECT text FROM robots WHERE origin=? AND fetched>?", (origin, newer_than)
        ).fetchone()
        return row[0] if row else None

    def set_robots(self, origin: str, text: str, fetched: float) -> None:
        """Remember it."""
        self._database.execute("INSERT OR REPLACE INTO robots VALUES (?, ?, ?)", (origin, text, fetched))

    def stored(self, url: str) -> Stored | None:
        """The copy of a page that we have."""
        row = self._database.execute(
            "SELECT etag, modified, digest, file, start FROM stored WHERE url=?", (url,)
        ).fetchone()
        return Stored(*row) if row else None

    def set_stored(self, url: str, copy: Stored) -> None:
        """Remember it."""
        row = (url, copy.etag, copy.modified, copy.digest, copy.file, copy.start)
        self._database.execute("INSERT OR REPLACE INTO stored VALUES (?,?,?,?,?,?)", row)

    def counts(self) -> Counter[str]:
        """Addresses by outcome; those that wait under "waiting"."""
        rows = self._database.execute("SELECT COALESCE(outcome, 'waiting'), COUNT(*) FROM urls GROUP BY 1")
        return Counter(dict(rows.fetchall()))

    def reasons(self, outcome: str, most: int) -> list[tuple[str, int]]:
        """The commonest details of an outcome."""
        rows = self._database.execute(
            "SELECT detail, COUNT(*) FROM urls WHERE outcome=? GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?", (outcome, most)
        )
        return [(str(detail), int(count)) for detail, count in rows]

    def rows(self) -> Iterable[dict[str, str | int]]:
        """Every address with what became of it, in the order in which they were found."""
        names = ("url", "outcome", "detail", "kind", "depth", "via")
        query = "SELECT url, COALESCE(outcome, 'waiting'), detail, kind, depth, via FROM urls ORDER BY id"
        return (dict(zip(names, row, strict=True)) for row in self._iterate(query))

    def _iterate(self, query: str) -> Iterator[tuple[str | int, ...]]:
        yield from self._database.execute(query)
