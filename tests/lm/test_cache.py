import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.lm.base import Reply, Token, Usage
from cygnet.lm.cache import ReplyCache

_WRITER = """
import sys
from pathlib import Path
from cygnet.lm.base import Reply
from cygnet.lm.cache import ReplyCache
cache = ReplyCache(Path(sys.argv[1]), "url#swan")
for i in range(int(sys.argv[2]), int(sys.argv[3])):
    cache.put({"prompt": i}, {0: Reply(f"reply {i}", "stop")})
    print(i, flush=True)
"""


def _writer(folder: Path, start: int, end: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WRITER, str(folder), str(start), str(end)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_reply_comes_back_as_it_was_but_free(tmp_path: Path) -> None:
    tokens = (Token("A", -0.5, ((" é", -1.0), ("🦢", -2.0))), Token(" swan", float("-inf")))
    reply = Reply("A swan 🦢", "length", Usage(7, 2, 3, 1.5, 0.25, 1), tokens)
    cache = ReplyCache(tmp_path / "new" / "folder", "url#swan")
    cache.put({"prompt": "é"}, {3: reply})
    assert cache.get({"prompt": "é"}, range(5)) == {3: Reply(reply.text, "length", Usage(7, 2, 3), tokens)}
    assert cache.get({"prompt": "e"}, range(5)) == {}
    cache.close()


def test_endpoints_share_a_folder_without_sharing_replies(tmp_path: Path) -> None:
    one, other = ReplyCache(tmp_path, "url#swan"), ReplyCache(tmp_path, "url#goose")
    one.put({"prompt": "a"}, {0: Reply("x", "stop"), 1: Reply("y", "stop")})
    assert other.get({"prompt": "a"}, [0]) == {}
    assert (len(one), len(other)) == (2, 0)
    one.close()
    other.close()


def test_the_first_reply_kept_stays(tmp_path: Path) -> None:
    cache = ReplyCache(tmp_path, "url#swan")
    cache.put({}, {0: Reply("first", "stop")})
    cache.put({}, {0: Reply("second", "stop")})
    assert cache.get({}, [0])[0].text == "first"
    cache.close()


def test_everything_put_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    with _writer(tmp_path, 0, 1_000_000) as writer:
        assert writer.stdout is not None
        done = [int(writer.stdout.readline()) for _ in range(20)]
        writer.kill()
        done += [int(line) for line in writer.stdout if line.endswith("\n")]
    cache = ReplyCache(tmp_path, "url#swan")
    assert all(cache.get({"prompt": i}, [0])[0].text == f"reply {i}" for i in done)
    cache.put({"prompt": "after"}, {0: Reply("x", "stop")})  # no lock is left behind
    cache.close()


def test_threads_and_processes_write_side_by_side(tmp_path: Path) -> None:
    cache = ReplyCache(tmp_path, "url#swan")
    writers = [_writer(tmp_path, 0, 40), _writer(tmp_path, 20, 60)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: cache.put({"prompt": i}, {0: Reply(f"reply {i}", "stop")}), range(50, 100)))
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    assert len(cache) == 100
    cache.close()


def test_a_file_that_is_no_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "replies.sqlite").write_text("swans " * 500)
    with pytest.raises(UserError, match="replies.sqlite can't be used: file is not a database"):
        ReplyCache(tmp_path, "url#swan")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't be used"):
        ReplyCache(tmp_path / "file", "url#swan")
