"""A crawl of 2,000 pages with traps, killed three times on the way: what the server saw and what the WARC files hold.

    python benchmarks/data/crawl.py [DELAY]

Everything is judged from the server's own log and from the WARC files as fastwarc reads them, not from what the crawler
says of itself. The site runs on loopback; each run of the crawler is a process of its own and is ended by SIGKILL.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType
from loopback_site import Asked, Site
from trap_site import FORBIDDEN, PAGES, STORED_ONCE, TrapSite

_KILLS_AT = (0.2, 0.5, 0.8)  # of the pages


def main(delay: float = 0.02, pages: int = 4000) -> None:
    """Crawl, kill, go on, and print what was seen."""
    with tempfile.TemporaryDirectory() as folder, Site(TrapSite()).running() as site:
        out = Path(folder) / "crawl"
        began = time.monotonic()
        kills = [_killed(site, out, delay, pages, int(share * PAGES)) for share in _KILLS_AT]
        done = subprocess.run(_command(site, out, delay, pages), capture_output=True, text=True, check=False)
        print(f"{time.monotonic() - began:.0f} s, killed at {len(kills)} places, then exit code {done.returncode}")
        print(done.stdout or done.stderr)
        time.sleep(0.5)  # until the server notices that the last one left
        _judge(site, out, delay, kills)


def _command(site: Site, out: Path, delay: float, pages: int) -> list[str]:
    bounds = ["--delay", str(delay), "--pages", str(pages), "--page-seconds", "1", "--page-megabytes", "2"]
    return [sys.executable, "-m", "cygnet", "crawl", f"{site.url}/", "--allow-private", *bounds, "--out", str(out)]


def _killed(site: Site, out: Path, delay: float, pages: int, after: int) -> float:
    """Run until the server has been asked so often, then kill -9. Returns when that was."""
    with subprocess.Popen(
        _command(site, out, delay, pages), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        while len(site.log) < after and process.poll() is None:
            time.sleep(0.001)
        assert process.poll() is None, "it ended before it was killed"
        process.kill()
        process.wait()
        return time.monotonic()


def _judge(site: Site, out: Path, delay: float, kills: list[float]) -> None:
    log = sorted((asked for asked in site.log), key=lambda asked: asked.began)
    stored = _stored(out)
    lost = {path for path in STORED_ONCE if stored[site.url + path] == 0}
    forbidden = [asked.path for asked in log if asked.path in FORBIDDEN]
    times = Counter(asked.path for asked in log if asked.status == 200)
    twice = sorted(path for path, number in times.items() if number > 1)
    retried = {"/slow", "/robots.txt"}  # the first by its bound of time, the other at each start that finds none
    in_flight = {[asked.path for asked in log if asked.began < kill][-1] for kill in kills}
    again = [path for path in twice if path in in_flight]
    unexplained = [path for path in twice if path not in in_flight | retried]
    starts = [later.began - earlier.began for earlier, later in pairwise(log)]
    report = json.loads((out / "crawl.json").read_text())
    rows = [json.loads(line) for line in (out / "urls.jsonl").read_text().splitlines()]
    print(f"requests that the server saw: {len(log)}; pages in the WARC files: {sum(stored.values())}")
    print(f"pages of the site that had to be stored: {len(STORED_ONCE)}; lost: {len(lost)} {sorted(lost)[:5]}")
    print(f"pages stored twice: {sum(number > 1 for number in stored.values())}")
    print(f"pages answered twice: {len(unexplained)}; beside them those under way at a kill: {len(again)} {again}")
    print(f"requests that robots.txt forbids: {len(forbidden)}")
    print(f"shortest time between two requests: {1000 * min(starts):.1f} ms, asked for: {1000 * delay:.0f} ms")
    print(f"most requests at one time: {_at_once(log)}")
    print(f"addresses taken up: {len(rows)}, with one outcome each: {sum(report['outcomes'].values()) == len(rows)}")
    fine = not lost and not forbidden and not unexplained and min(starts) >= delay
    fine = fine and max(stored.values()) == 1 and _at_once(log) == 1
    print("everything holds" if fine else "SOMETHING DOES NOT HOLD")
    if not fine:
        raise SystemExit(1)


def _stored(out: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for path in sorted(out.glob("*.warc.gz*")):
        with path.open("rb") as file:
            for record in ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=False):
                assert record.verify_block_digest()
                found[record.headers["WARC-Target-URI"]] += 1
    return found


def _at_once(log: list[Asked]) -> int:
    """The most requests that were open together, those but for pages that a client leaves unread."""
    whole = [asked for asked in log if asked.path not in {"/slow", "/huge"}]
    ends = sorted([(asked.began, 1) for asked in whole] + [(asked.ended, -1) for asked in whole])
    most = now = 0
    for _, change in ends:
        now += change
        most = max(most, now)
    return most


if __name__ == "__main__":
    main(*(float(argument) for argument in sys.argv[1:2]))
