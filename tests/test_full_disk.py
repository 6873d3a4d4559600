"""Disks that are really full: whatever writes to one, the user is told so, and nothing half-written stays."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cygnet.files import why_not_written

# Writes each kind of artifact where there is too little room for it, and prints what was raised as JSON.
WRITE = """
import json, os, resource, sys
from pathlib import Path

import torch

from cygnet.files import write_aside
from cygnet.model.config import ModelConfig
from cygnet.model.folder import save_model
from cygnet.model.transformer import Transformer
from cygnet.tokens.shards import ShardWriter, TokenizedDocument
from cygnet.tokens.tokenizer import train_tokenizer
from cygnet.training.checkpoint import save_checkpoint

disk, way = Path(sys.argv[1]), sys.argv[2]
tokenizer = train_tokenizer(["a swan"] * 3, 280)

def leave(room):
    if way == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    else:
        filler = disk / "filler"
        filler.unlink(missing_ok=True)
        free = os.statvfs(disk)
        filler.write_bytes(bytes(free.f_bavail * free.f_frsize - room))

def checkpoint():
    save_checkpoint(disk, 1, {"weights": torch.zeros(100_000)})

def model():
    shape = ModelConfig.from_depth(4, tokenizer.vocab_size, 64)
    save_model(disk / "model", Transformer(shape), tokenizer)

def shards():
    documents = (TokenizedDocument("docs", [1], 1) for _ in range(20_000))
    with write_aside(disk / "tokens") as folder:
        folder.mkdir()
        ShardWriter(folder, ["docs"], 300, "hash").write_split("train", documents)

def saved_tokenizer():
    with write_aside(disk / "tokenizer") as folder:
        tokenizer.save(folder)

found = {}
for write, room in ((checkpoint, 65_536), (model, 65_536), (shards, 65_536), (saved_tokenizer, 4_096)):
    leave(room)
    try:
        write()
    except Exception as error:
        cause = error.__cause__
        found[write.__name__] = [type(error).__name__, str(error), type(cause).__name__]
print(json.dumps([found, sorted(path.name for path in disk.iterdir() if path.name != "filler")]))
"""

CAUSES = {
    "checkpoint": "SafetensorError",
    "model": "SafetensorError",
    "shards": "OSError",
    "saved_tokenizer": "Exception",
}


@pytest.mark.parametrize("disk", ["tmpfs", "limit"])
def test_whatever_fills_the_disk_the_user_is_told(tmp_path: Path, disk: str) -> None:
    """On a file system of 1 MB where one may be mounted, else (and besides) under a limit on the size of files."""
    in_tmpfs = ["unshare", "-Urm", "sh", "-c", 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"', str(tmp_path)]
    if disk == "limit" or not _works([*in_tmpfs, "true"]):
        in_tmpfs, disk = [], "limit"
    done = subprocess.run(
        [*in_tmpfs, sys.executable, "-c", WRITE, str(tmp_path), disk], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found, left = json.loads(done.stdout)
    assert {name: cause for name, (_, _, cause) in found.items()} == CAUSES
    for kind, message, _ in found.values():
        assert kind == "UserError"
        assert message.startswith(f"could not write {tmp_path}")
        assert message.endswith("Free some room or choose another place.")
    assert left == []


def test_other_mistakes_are_not_taken_for_a_full_disk() -> None:
    for error in (
        FileNotFoundError(2, "No such file or directory"),
        OSError("something else"),
        Exception("No such file or directory (os error 2)"),
        Exception("a bug"),
        RuntimeError("I/O error (os error 28)"),
    ):
        assert why_not_written(error) is None
    assert why_not_written(Exception("No space left on device (os error 28)")) == "No space left on device"


def _works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
