"""`torchrun` starts cygnet, on one machine and on two, and ends when one process does."""

import fcntl
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = (
    *("depth=1", "context_length=64", "heldout_rows=2", "evaluations=1", "pretrain.precision=float32"),
    *("tokenizer.vocab_size=300", "tokens.train_tokens=20_000", "threads=1"),
)
PATIENCE = 1800  # seconds: the machine may be busy


def start(options: list[str], texts: Path, out: Path) -> subprocess.Popen[str]:
    """torchrun, with `cygnet pretrain` in each of its processes."""
    command = [sys.executable, "-m", "torch.distributed.run", *options, "-m", "cygnet", "pretrain", str(texts)]
    return subprocess.Popen(
        [*command, *SETTINGS, "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def losses(out: Path) -> list[float]:
    lines = out.with_name(f"{out.name}.work").joinpath("metrics/pretrain.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["event"] != "sample"]
    return [row["loss"] if row["event"] == "step" else row["heldout_bits_per_byte"] for row in rows]


def test_two_machines_train_as_one_process_does(texts: Path, tmp_path: Path) -> None:
    """Two launchers, of which each takes the other for one on another machine."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    meeting = ["--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", str(port)]
    machines = [start([*meeting, "--node-rank", str(node)], texts, tmp_path / "two") for node in range(2)]
    one = [sys.executable, "-m", "cygnet", "pretrain", str(texts), *SETTINGS, "--out", str(tmp_path / "one")]
    subprocess.run(one, check=True, capture_output=True)
    said = [machine.communicate(timeout=PATIENCE)[0] for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], said
    assert "wrote" in said[0]
    assert "wrote" not in said[1]
    assert len(losses(tmp_path / "two")) == 4
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=2e-3)


def test_when_the_first_process_fails_before_it_begins_all_end(texts: Path, tmp_path: Path) -> None:
    """Somebody else works in the folder, which only the first process looks at."""
    work = tmp_path / "out.work"
    work.mkdir()
    with (work / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        launcher = start(["--standalone", "--nproc-per-node", "2"], texts, tmp_path / "out")
        said, _ = launcher.communicate(timeout=PATIENCE)
    assert launcher.returncode == 1
    assert said.count("is at work in") == 1, said
    assert "could not go on" not in said  # nothing is added on the same machine
    assert 'File "' + str(Path(__file__).parents[2] / "src") not in said  # no traceback through cygnet
