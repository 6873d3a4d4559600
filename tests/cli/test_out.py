import os
import re
from pathlib import Path

import pytest

VERBS = {
    "pretrain": ["texts"],
    "sft": ["base", "chats.jsonl"],
    "adapt": ["base", "chats.jsonl"],
    "reward": ["sft", "comparisons.jsonl"],
    "rl": ["sft", "prompts.jsonl", "--reward", "reward"],
    "rank": ["prompts.jsonl", "a=sft", "b=rl"],
    "run": ["smoke"],
    "lab": ["task.toml", "--model", "rl"],
    "crawl": ["http://127.0.0.1", "--contact", "me"],
    "corpus build": ["corpus.toml"],
    "corpus filter": ["good", "bad"],
}


@pytest.mark.parametrize("verb", VERBS)
def test_what_cannot_be_a_folder_is_told_before_anything_is_done(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cygnet
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = cygnet(*verb.split(), *VERBS[verb], "-o", "/dev/null")
    assert (code, out, list(tmp_path.iterdir())) == (2, "", [])
    assert "--out /dev/null can't be a folder: a file is in the way, /dev/null" in err


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("file", "a file is in the way, .*/file. Choose another"),
        ("file/deep/er", "a file is in the way, .*/file. Choose another"),
        ("x" * 248, r"names have \d+ bytes at most there, and while it is made it is called \.x+\.writing-\d+\."),
        ("é" * 124, r"names have \d+ bytes at most there"),
        ("new/" + "x" * 248, r"names have \d+ bytes at most there"),
        ("x" * 300 + "/new", r"names have \d+ bytes at most there"),
        (os.fsdecode(b"\xe9"), "has a name that is not UTF-8"),
    ],
)
def test_out_that_cannot_be(out: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cygnet) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    code, said, err = cygnet("pretrain", "texts", "-o", out)
    assert (code, said, [path.name for path in tmp_path.iterdir()]) == (2, "", ["file"])
    assert re.search(message, err)


@pytest.mark.parametrize("out", ["new", "new/deep", "there", "link", "x" * 100])
def test_out_that_can_be(out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cygnet) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    Path("link").symlink_to("there")
    code, _, err = cygnet("pretrain", "texts", "-o", out)
    assert (code, "--out" in err, "texts does not exist" in err) == (2, False, True)
