"""A polite crawler: pages of listed hosts, as their robots.txt allows, into WARC files; it goes on after any end."""

from cygnet.corpus.crawl.run import crawl
from cygnet.corpus.crawl.settings import CrawlSettings

__all__ = ["CrawlSettings", "crawl"]
