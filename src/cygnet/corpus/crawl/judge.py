"""What becomes of each answer: every address taken up ends in exactly one outcome, with its reason."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

from cygnet.corpus.crawl.fetch import Response
from cygnet.corpus.crawl.frontier import Frontier, Item, Stored
from cygnet.corpus.crawl.links import PageLinks, is_stored_type, may_be_stored, page_links, payload_type, sitemap_links
from cygnet.corpus.crawl.settings import CrawlSettings
from cygnet.corpus.crawl.unpacking import DamagedError, TooLargeError
from cygnet.corpus.crawl.urls import authority, canonical, excluded_by, trap, without_query
from cygnet.corpus.crawl.warc import WarcFiles

HAVE = ("stored", "not_modified", "unchanged")  # outcomes of pages whose text is in the WARC files
_MOST_HOPS = 10
_MOST_SITEMAPS = 50


class Judge:
    """Writes pages and outcomes down. Nothing here waits, so an answer is dealt with whole or not at all."""

    def __init__(self, frontier: Frontier, files: WarcFiles, settings: CrawlSettings, hosts: frozenset[str]) -> None:
        self._frontier, self._files, self._settings, self._hosts = frontier, files, settings, hosts
        counts = frontier.counts()
        self.pages = sum(counts[name] for name in HAVE)
        self.bytes = int(frontier.fact("bytes", 0))

    def recover(self) -> None:
        """Deal with a page that was written, but whose outcome was not, when the last process ended."""
        name, size = str(self._frontier.fact("file", "")), int(self._frontier.fact("size", 0))
        for response, start in self._files.recover(name, size):
            item = self._frontier.item(response.url)
            if item is not None:
                self._keep(item, response, start)
        self._end_of_answer()

    def take_up(self, url: str, kind: str, depth: int, hops: int, via: str) -> None:
        """An address that was found: it waits, or has its outcome at once."""
        if not self._frontier.knows(url):
            self._frontier.add(url, kind, depth, hops, via, self._refusal(url, depth, hops))

    def conditions(self, item: Item) -> dict[str, str]:
        """Headers that ask for the page only if it isn't the one that we have (RFC 9110, section 13)."""
        copy = self._frontier.stored(item.url)
        if copy is None or not (copy.etag or copy.modified) or self._files.read(copy.file, copy.start) is None:
            return {}
        both = {"If-None-Match": copy.etag, "If-Modified-Since": copy.modified}
        return {name: value for name, value in both.items() if value}

    def wanted(self, item: Item, response: Response) -> bool:
        """Whether the body of an answer is of any use."""
        return response.status == 200 and (item.kind == "sitemap" or may_be_stored(response))

    def settle(self, item: Item, response: Response) -> None:
        """Give an answer its outcome, and take up what it leads to."""
        if response.location is not None:
            self._redirected(item, response)
        elif response.status == 304:
            self._not_modified(item, response)
        elif response.status != 200:
            self._frontier.end(item.url, "http_status", f"{response.status} {response.reason}".strip())
        elif item.kind == "sitemap":
            self._sitemap(item, response)
        else:
            self._keep(item, response)
        self._end_of_answer()

    def _end_of_answer(self) -> None:
        self._frontier.set_fact("file", self._files.name)
        self._frontier.set_fact("size", self._files.size)
        self._frontier.set_fact("bytes", self.bytes)
        self._frontier.commit()

    def _redirected(self, item: Item, response: Response) -> None:
        target = canonical(response.location or "", item.url)
        self._frontier.end(item.url, "redirected", f"{response.status} to {target or response.location}")
        if target is not None:
            self.take_up(target, item.kind, item.depth, item.hops + 1, item.url)

    def _not_modified(self, item: Item, response: Response) -> None:
        copy = self._frontier.stored(item.url)
        page = self._files.read(copy.file, copy.start) if copy else None
        if page is None:  # it answers so without having been asked
            self._frontier.end(item.url, "http_status", f"304 {response.reason}".strip())
            return
        self.pages += 1
        self._frontier.end(item.url, "not_modified")
        self._follow(item, page_links(page))

    def _sitemap(self, item: Item, response: Response) -> None:
        number, maps = 0, int(self._frontier.fact("sitemaps", 0))
        try:
            for url, is_map in sitemap_links(response, self._settings.page_bytes):
                number += 1
                maps += is_map
                if not is_map or maps <= _MOST_SITEMAPS:
                    self.take_up(url, "sitemap" if is_map else "page", 0 if is_map else 1, 0, item.url)
        except (DamagedError, TooLargeError) as error:
            self._frontier.end(item.url, "damaged", f"a sitemap that can't be unpacked {error}".strip())
            return
        self._frontier.set_fact("sitemaps", maps)
        self._frontier.end(item.url, "sitemap", f"{number:,} addresses")

    def _keep(self, item: Item, response: Response, written_at: int | None = None) -> None:
        """Store a page if it is one to store. written_at: where it already stands in the file that is open."""
        kind = payload_type(response)
        if not is_stored_type(kind) or not response.body:
            empty = may_be_stored(response) and not response.body
            self._frontier.end(item.url, "empty" if empty else "other_type", kind)
            return
        links = page_links(response)
        digest = hashlib.sha256(response.body).hexdigest()
        copy = self._frontier.stored(item.url)
        if not links.store:
            self._frontier.end(item.url, "noindex", "by its robots tag")
        elif links.alias_of and self._frontier.outcome(links.alias_of)[0] in HAVE:
            self._frontier.end(item.url, "alias", f"of {links.alias_of}")
        elif copy and copy.digest == digest and self._files.read(copy.file, copy.start) is not None:
            self.pages += 1
            self._frontier.end(item.url, "unchanged", "the same bytes as before")
            renewed = replace(copy, etag=response.header("etag"), modified=response.header("last-modified"))
            self._frontier.set_stored(item.url, renewed)
        else:
            date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            start = self._files.write(response, date) if written_at is None else written_at
            header = response.header
            copy = Stored(header("etag"), header("last-modified"), digest, self._files.name, start)
            self._frontier.set_stored(item.url, copy)
            self.pages += 1
            self.bytes += len(response.body)
            self._frontier.end(item.url, "stored", kind)
        self._follow(item, links)

    def _follow(self, item: Item, links: PageLinks) -> None:
        for url in (*links.links, *([links.alias_of] if links.alias_of else [])):
            self.take_up(url, "page", item.depth + 1, 0, item.url)
        self._frontier.set_fact("links_cut", int(self._frontier.fact("links_cut", 0)) + links.cut)

    def _refusal(self, url: str, depth: int, hops: int) -> tuple[str, str] | None:
        if authority(url) not in self._hosts:
            return "not_allowed_host", authority(url)
        if depth > self._settings.depth:
            return "too_deep", f"more than {self._settings.depth} clicks away"
        if hops > _MOST_HOPS:
            return "too_many_redirects", f"more than {_MOST_HOPS} in a row"
        if (sign := trap(url)) is not None:
            return "trap", sign
        if not self._frontier.one_variant_more(url):
            return "trap", f"too many queries of {without_query(url)}"
        glob = excluded_by(url, self._settings.exclude)
        return None if glob is None else ("excluded", glob)
