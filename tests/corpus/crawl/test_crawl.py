import asyncio
import gzip
import json
import socket
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

from cygnet.corpus.crawl import CrawlSettings, crawl, judge
from cygnet.corpus.crawl.addresses import CheckedBackend, PrivateAddressError
from cygnet.errors import UserError

HTML = {"Content-Type": "text/html"}


def links(*targets: str, text: str = "", head: str = "") -> bytes:
    """A page that leads to these."""
    body = "".join(f'<p><a href="{target}">{target}</a></p>' for target in targets)
    return f"<!doctype html><html><head><title>{text}</title>{head}</head><body><p>{text}</p>{body}".encode()


def warc_urls(folder: Path) -> list[str]:
    """What another program finds in the WARC files."""
    found = []
    for path in sorted(folder.glob("*.warc.gz*")):
        with path.open("rb") as file:
            for record in ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=False):
                assert record.verify_block_digest()
                assert record.headers["WARC-Identified-Payload-Type"]
                found.append(record.headers["WARC-Target-URI"])
    return found


def test_a_site_is_crawled_whole_and_each_address_has_one_outcome(serve: Any, run: Any, tmp_path: Path) -> None:
    robots = b"User-agent: *\nDisallow: /secret\nDisallow: /*.bak$\nSitemap: /map.xml\n"
    site = serve(
        {
            "/robots.txt": robots,
            "/": links("/a", "/secret/x", "/old.bak", "/picture", "http://other.example/x", "/gone", "/empty"),
            "/a": links("/", "/a#part", "/note"),
            "/note": lambda _: Answer(b"A note.", headers={"Content-Type": "text/plain"}),
            "/picture": lambda _: Answer(b"\x89PNG", headers={"Content-Type": "image/png"}),
            "/empty": b"",
            "/map.xml": lambda _: Answer(f"<urlset><loc>{site.url}/hidden</loc></urlset>".encode()),
            "/hidden": links(),
        }
    )
    found = run(site.url)
    assert {url.removeprefix(site.url): row["outcome"] for url, row in found.rows.items()} == {
        "/": "stored",
        "/a": "stored",
        "/note": "stored",
        "/hidden": "stored",
        "/map.xml": "sitemap",
        "/secret/x": "robots",
        "/old.bak": "robots",
        "/picture": "other_type",
        "/gone": "http_status",
        "/empty": "empty",
        "http://other.example/x": "not_allowed_host",
    }
    assert sorted(warc_urls(tmp_path / "crawl")) == sorted(
        f"{site.url}{path}" for path in ("/", "/a", "/note", "/hidden")
    )
    assert [name.name for name in (tmp_path / "crawl").glob("*.warc.gz*")] == ["crawl-00001.warc.gz"]
    assert all(site.asked(path) == 1 for path in ("/robots.txt", "/", "/a", "/note", "/gone", "/hidden"))
    assert not any(site.asked(path) for path in ("/secret/x", "/old.bak"))
    report = json.loads((tmp_path / "crawl/crawl.json").read_text())
    assert (report["pages"], report["ended_by"], report["user_agent"]) == (4, "done", "cygnet/0.1.0")
    assert sum(report["outcomes"].values()) == len(found.rows)
    assert "4 pages in 1 WARC file" in found.summary.in_words()


def test_requests_keep_their_distance_and_crawl_delay_holds(serve: Any, run: Any) -> None:
    site = serve(
        {"/robots.txt": b"User-agent: *\nCrawl-delay: 0.15", "/": links("/1", "/2"), "/1": links(), "/2": links()}
    )
    run(site.url)
    log = sorted(site.log, key=lambda asked: asked.began)
    assert [asked.path for asked in log] == ["/robots.txt", "/", "/1", "/2"]
    assert all(later.began - earlier.began > 0.14 for earlier, later in pairwise(log))
    assert all(asked.headers["User-Agent"] == "cygnet/0.1.0" for asked in log)


def test_who_asks_is_in_the_user_agent_and_must_be_said(serve: Any, run: Any) -> None:
    site = serve({"/": links()})
    run(site.url, contact="me@example.org")
    assert site.log[0].headers["User-Agent"] == "cygnet/0.1.0 (+me@example.org)"
    with pytest.raises(UserError, match="--contact"):
        CrawlSettings()
    with pytest.raises(UserError, match="can't stand in a user agent"):
        CrawlSettings(contact="a\r\nX: b")


def test_redirects_are_followed_hop_by_hop_under_the_same_rules(serve: Any, run: Any) -> None:
    def to(target: str) -> Callable[[Any], Any]:
        return lambda _: Answer(status=302, headers={"Location": target, "Content-Length": "0"})

    other = serve({"/": links()})
    site = serve(
        {
            "/robots.txt": b"User-agent: *\nDisallow: /no",
            "/": links("/there", "/loop1", "/self", "/foreign", "/forbidden", "/long/0", "/nowhere"),
            "/there": to("/here"),
            "/here": links(),
            "/loop1": to("/loop2"),
            "/loop2": to("/loop1"),
            "/self": to("/self"),
            "/foreign": to(other.url),
            "/forbidden": to("/no"),
            "/nowhere": to("mailto:a@b.c"),
            **{f"/long/{hop}": to(f"/long/{hop + 1}") for hop in range(30)},
        }
    )
    found = run(site.url)
    assert found[f"{site.url}/there"] == found[f"{site.url}/loop1"] == found[f"{site.url}/loop2"] == "redirected"
    assert found[f"{site.url}/self"] == "redirected"
    assert found[f"{site.url}/here"] == "stored"
    assert found[f"{site.url}/no"] == "robots"
    assert found[f"{other.url}/"] == "not_allowed_host"
    assert found[f"{site.url}/long/11"] == "too_many_redirects"
    assert not other.log
    assert site.asked("/loop1") == site.asked("/loop2") == 1


def test_private_addresses_are_never_asked_unless_told(serve: Any, tmp_path: Path) -> None:
    site = serve({"/": links()})
    port = site.host.partition(":")[2]
    settings = CrawlSettings(contact="me@example.org", delay=0.01)
    for host in (
        f"127.0.0.1:{port}",
        f"localhost:{port}",
        f"127.1:{port}",
        f"2130706433:{port}",
        f"[::ffff:127.0.0.1]:{port}",
    ):
        with pytest.raises(UserError, match="no page could be stored.*private_address"):
            crawl([f"http://{host}/"], tmp_path / host.replace(":", "-"), settings, progress=False)
    assert not site.log


def test_a_name_is_looked_up_once_and_any_private_answer_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def look_up(_: Any, host: str, port: int, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, 1, 6, "", (address, port)) for address in ("93.184.215.14", "10.0.0.1")]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", look_up)
    with pytest.raises(PrivateAddressError, match=r"rebind.example is 10.0.0.1"):
        asyncio.run(CheckedBackend(allow_private=False).connect_tcp("rebind.example", 80))
    assert asked == ["rebind.example"]


def test_traps_end(serve: Any, run: Any, loopback: ModuleType) -> None:
    class Endless(dict[str, Any]):
        def get(self, path: str, default: Any = None) -> Any:
            head, _, query = path.partition("?")
            if path == "/robots.txt":
                return None
            if head == "/calendar":
                return links(f"/calendar?day={int(query.removeprefix('day=') or 0) + 1}")
            if head.startswith("/in"):
                return links(f"{head}/in", f"{head}/{'x' * 300}")
            return links(*(f"/search?q={number}" for number in range(300)), "/calendar", "/in")

    site = serve(Endless())
    found = run(site.url, depth=25)
    assert found[f"{site.url}/calendar?day=24"] == "stored"
    assert found[f"{site.url}/calendar?day=25"] == "too_deep"
    assert found[f"{site.url}/in/in/in/in"] == "trap"
    assert sum("/search" in url and row["outcome"] == "stored" for url, row in found.rows.items()) == 200
    assert found[f"{site.url}/search?q=250"] == "trap"


def test_huge_slow_packed_and_broken_pages_are_bounded(serve: Any, run: Any) -> None:
    bomb = gzip.compress(b"0" * 10_000_000)
    packed = {**HTML, "Content-Encoding": "gzip"}

    def drip() -> Iterator[bytes]:
        for _ in range(1000):
            yield b"x"
            time.sleep(0.05)

    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            yield b"y" * 100_000

    site = serve(
        {
            "/": links("/bomb", "/slow", "/huge", "/packed", "/lies", "/short", "/torn"),
            "/bomb": lambda _: Answer(bomb, headers=packed),
            "/slow": lambda _: Answer(drip()),
            "/huge": lambda _: Answer(endless()),
            "/packed": lambda _: Answer(gzip.compress(links("/found")), headers=packed),
            "/found": links(),
            "/lies": lambda _: Answer(b"not gzip", headers=packed),
            "/short": lambda _: Answer(b"abc", headers={**HTML, "Content-Length": "1000", "Connection": "close"}),
            "/torn": lambda _: Answer(bomb[:100], headers=packed),
        }
    )
    found = run(site.url, page_bytes=1_000_000, page_seconds=1.5)
    outcomes = {url.removeprefix(site.url): row["outcome"] for url, row in found.rows.items()}
    assert outcomes == {
        "/": "stored",
        "/packed": "stored",
        "/found": "stored",
        "/bomb": "too_big",
        "/huge": "too_big",
        "/slow": "timed_out",
        "/lies": "damaged",
        "/torn": "damaged",
        "/short": outcomes["/short"],
    }
    assert outcomes["/short"] in {"broken_off", "timed_out"}  # whether the server closes in time


def test_429_for_a_while_is_waited_out(serve: Any, run: Any) -> None:
    answers = iter([429, 503, 200])

    def busy(_: Any) -> Any:
        status = next(answers)
        return Answer(links(), status, {**HTML, **({"Retry-After": "1"} if status == 429 else {})})

    site = serve({"/": links("/busy", "/other"), "/busy": busy, "/other": links()})
    found = run(site.url)
    assert found[f"{site.url}/busy"] == found[f"{site.url}/other"] == "stored"
    times = sorted(asked.began for asked in site.log)
    assert max(later - earlier for earlier, later in pairwise(times)) > 0.99


def test_429_for_ever_ends_with_a_sentence_and_every_page_counted(serve: Any, run: Any) -> None:
    def no(_: Any) -> Any:
        return Answer(b"", 429)

    pages = [f"/{number}" for number in range(40)]
    site = serve({"/": links(*pages), **dict.fromkeys(pages, no)})
    found = run(site.url)
    assert (found.summary.outcomes["refused"], found.summary.outcomes["stored"]) == (40, 1)
    assert f"40 {site.host} was given up after 8: answered 429 Too Many Requests" in found.summary.in_words()
    assert len(site.log) == 10


def test_a_site_that_wants_to_be_left_alone_for_long_is_left_for_another_day(serve: Any, run: Any) -> None:
    def later(_: Any) -> Any:
        return Answer(b"", 503, {"Retry-After": "86400"})

    site = serve({"/": links("/a", "/b"), "/a": later, "/b": later})
    assert run(site.url).summary.ended_by == "asleep"
    again = run(site.url)
    assert (again.summary.ended_by, again.summary.outcomes["waiting"]) == ("asleep", 2)
    assert "want to be left alone" in again.summary.in_words()
    assert len(site.log) == 3


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_over_robots_is_asked_for_nothing(serve: Any, run: Any, status: int) -> None:
    site = serve({"/robots.txt": lambda _: Answer(b"", status), "/": links()})
    with pytest.raises(UserError, match=f"robots_unavailable.*robots.txt answered {status}"):
        run(site.url)
    assert {asked.path for asked in site.log} == {"/robots.txt"}
    assert len(site.log) == 4


def test_an_unreachable_host_is_said(run: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(UserError, match=r"no page could be stored.*robots_unavailable"):
        run(f"http://127.0.0.1:{port}/")


def test_a_crawl_that_is_repeated_asks_only_for_what_has_changed(serve: Any, run: Any, tmp_path: Path) -> None:
    version = {"/b": "1"}

    def tagged(path: str, *targets: str) -> Callable[[Any], Any]:
        def answer(headers: Any) -> Any:
            tag = f'"{version.get(path, "0")}"'
            if headers.get("If-None-Match") == tag:
                return Answer(b"", 304)
            return Answer(links(*targets, text=tag), headers={**HTML, "ETag": tag})

        return answer

    site = serve({"/": tagged("/", "/a", "/b"), "/a": links("/c"), "/b": tagged("/b"), "/c": links()})
    assert run(site.url).summary.outcomes == {"stored": 4}
    version["/b"] = "2"
    again = run(site.url)
    assert again.summary.outcomes == {"not_modified": 1, "stored": 1, "unchanged": 2}
    assert [url.removeprefix(site.url) for url in warc_urls(tmp_path / "crawl")] == ["/", "/a", "/b", "/c", "/b"]
    assert run(site.url).summary.outcomes == {"not_modified": 2, "unchanged": 2}


def test_a_page_whose_copy_was_deleted_is_fetched_anew(serve: Any, run: Any, tmp_path: Path) -> None:
    site = serve(
        {"/": lambda headers: Answer(links(), 304 if "If-None-Match" in headers else 200, {**HTML, "ETag": "1"})}
    )
    run(site.url)
    (tmp_path / "crawl/crawl-00001.warc.gz").unlink()
    assert run(site.url).summary.outcomes == {"stored": 1}


def test_bounds_end_a_crawl_and_higher_ones_go_on(serve: Any, run: Any, tmp_path: Path) -> None:
    pages = {f"/{number}": links(f"/{number + 1}") for number in range(10)}
    site = serve({"/": links("/0"), **pages})
    first = run(site.url, pages=3)
    assert (first.summary.pages, first.summary.ended_by, first.summary.outcomes["waiting"]) == (3, "bound", 1)
    assert "with a higher one" in first.summary.in_words()
    assert run(site.url, pages=5).summary.pages == 5
    assert sorted(asked.path for asked in site.log) == ["/", "/0", "/1", "/2", "/3", "/robots.txt"]
    assert len(set(warc_urls(tmp_path / "crawl"))) == 5
    assert run(site.url, pages=50, all_bytes=1).summary.ended_by == "bound"


def test_another_address_of_a_stored_page_is_not_stored_again(serve: Any, run: Any) -> None:
    head = '<link rel="canonical" href="/main">'
    site = serve(
        {
            "/": links("/main", "/main?sort=1", "/far"),
            "/main": links(head=head),
            "/main?sort=1": links("/below", head=head),
            "/below": links(),
            "/far": links(head='<link rel="canonical" href="http://other.example/">'),
        }
    )
    found = run(site.url)
    assert found[f"{site.url}/main?sort=1"] == "alias"
    assert found[f"{site.url}/below"] == found[f"{site.url}/far"] == "stored"


def test_a_host_that_is_listed_later_is_taken_up(serve: Any, run: Any) -> None:
    other = serve({"/": links()})
    site = serve({"/": links(other.url), "/more": links()})
    assert run(site.url)[f"{other.url}/"] == "not_allowed_host"
    assert run(site.url, f"{site.url}/more", hosts=(other.host,))[f"{other.url}/"] == "stored"


def test_warc_files_are_begun_anew_when_they_are_large(serve: Any, run: Any, tmp_path: Path) -> None:
    pages = [f"/{number}" for number in range(6)]
    site = serve({"/": links(*pages), **{page: links(text=page * 50) for page in pages}})
    found = run(site.url, file_bytes=1500)
    assert len(found.summary.files) > 2
    assert len(warc_urls(tmp_path / "crawl")) == len(set(warc_urls(tmp_path / "crawl"))) == 7


def Answer(body: Any = b"", status: int = 200, headers: Any = None) -> Any:  # noqa: N802 - the class of another module
    import loopback_site

    return loopback_site.Answer(body, status, HTML if headers is None else headers)


def test_hosts_are_crawled_side_by_side_and_a_slow_one_holds_up_no_other(serve: Any, run: Any) -> None:
    """The slow one answers when the other has been asked for all that it has."""
    paths = [f"/{number}" for number in range(10)]
    quick = serve({"/": links(*paths), **dict.fromkeys(paths, links())})
    waited = []

    def slowly(_: Any) -> Any:
        end = time.monotonic() + 30
        while len(quick.log) < 12 and time.monotonic() < end:  # robots.txt is asked for, too
            time.sleep(0.01)
        waited.append(len(quick.log))
        return Answer(links())

    slow = serve({"/": links("/a"), "/a": slowly})
    assert run(slow.url, quick.url).summary.pages == 13
    assert waited == [12]


def test_a_page_that_ends_the_process_each_time_comes_to_an_end(
    serve: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = serve({"/": links("/deadly", "/b"), "/deadly": links(text="deadly"), "/b": links()})
    read = judge.page_links

    def deadly(response: Any) -> Any:
        if b"deadly</title>" in response.body:
            raise MemoryError
        return read(response)

    monkeypatch.setattr(judge, "page_links", deadly)
    for _ in range(4):
        with pytest.raises(MemoryError):
            run(site.url)
    found = run(site.url)
    assert (found[f"{site.url}/deadly"], found[f"{site.url}/b"]) == ("gave_up", "stored")
    assert site.asked("/deadly") == 4
