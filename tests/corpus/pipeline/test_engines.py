import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from cygnet.corpus.pipeline.build import build
from cygnet.corpus.pipeline.engines import Engine, engine_at
from cygnet.corpus.pipeline.engines.local import Local
from cygnet.corpus.pipeline.load import load_corpus_recipe
from cygnet.errors import UserError

NEEDS_RAY = pytest.mark.skipif(find_spec("ray") is None, reason="needs ray: pip install 'cygnet[ray]'")
SLURM = f"""#!{sys.executable}
import os, pathlib, subprocess, sys
script = pathlib.Path(sys.argv[-1])
jobs = int(script.read_text().partition("--array=0-")[2].partition(chr(10))[0]) + 1
for job in range(jobs):
    subprocess.run(["bash", str(script)], env=os.environ | {{"SLURM_ARRAY_TASK_ID": str(job)}}, check=True)
print("17;cluster")
"""


def run(path: Path, engine: Engine, out: str) -> Path:
    build(load_corpus_recipe(path), path.parent, path.parent / out, engine, lambda *_: None)
    return path.parent / out


def assert_equal(one: Path, other: Path) -> None:
    """Their parquet files are the same, byte for byte."""
    names = sorted(path.relative_to(one) for path in one.rglob("*.parquet"))
    assert names == sorted(path.relative_to(other) for path in other.rglob("*.parquet"))
    assert len(names) > 10
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_two_processes_make_what_one_makes(source: Callable[..., Path]) -> None:
    path = source('[quality]\npreset = "gopher"\n')
    assert_equal(run(path, Local(1), "one"), run(path, Local(2), "two"))


@NEEDS_RAY
def test_ray_makes_what_one_process_makes(source: Callable[..., Path]) -> None:
    path = source()
    assert_equal(run(path, Local(1), "one"), run(path, engine_at("ray", 2), "ray"))


@NEEDS_RAY
@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (
            ConnectionError("ray client connection timeout"),
            r"could not reach the Ray cluster at ray://h:1: ray client .*10001",
        ),
        (RuntimeError("Version mismatch: 2.1\nmore"), r"Version mismatch: 2\.1\. Check that it runs"),
        (ImportError("no grpc"), r"needs gRPC, too: pip install 'cygnet\[ray\]'"),
    ],
)
def test_a_cluster_that_can_not_be_reached_is_told(
    source: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, failure: Exception, message: str
) -> None:
    import ray

    def fail(**_: object) -> None:
        raise failure

    monkeypatch.setattr(ray, "init", fail)
    with pytest.raises(UserError, match=message):
        run(source(), engine_at("ray://h:1", 2), "ray")


@NEEDS_RAY
def test_a_cluster_that_is_lost_is_told(source: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def lost(*_: object, **__: object) -> None:
        raise ray.exceptions.WorkerCrashedError

    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "remote", lost)
    with pytest.raises(UserError, match=r"Ray could not end its tasks: The worker died.*same command again"):
        run(source(), engine_at("ray", 2), "ray")


def test_slurm_makes_what_one_process_makes(
    source: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against programs of Slurm's names, which run an array's jobs one after the other."""
    for name, text in {"sbatch": SLURM, "squeue": "#!/bin/sh\n"}.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    path = source()
    assert_equal(run(path, Local(1), "one"), run(path, engine_at("slurm", 2), "slurm"))


def test_without_slurm_the_script_is_left_to_be_submitted(
    source: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=r"no sbatch here. Submit .*slurm-array.sh"):
        run(source(), engine_at("slurm", 2), "slurm")


def test_a_killed_worker_costs_its_shard_and_no_more(
    source: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first worker process kills itself once it has read the code of the stages."""
    flag = tmp_path / "killed"
    hook = tmp_path / "hook" / "sitecustomize.py"
    hook.parent.mkdir()
    hook.write_text(
        "import multiprocessing, os, pathlib, signal, sys, threading, time\n"
        f"flag = pathlib.Path({str(flag)!r})\n"
        "def kill():\n"
        "    stages = 'cygnet.corpus.pipeline.stages'\n"
        "    while not (hasattr(sys.modules.get(stages), 'STAGES') and multiprocessing.parent_process()):\n"
        "        time.sleep(0.001)\n"
        "    if not flag.exists():\n"
        "        flag.touch()\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "threading.Thread(target=kill, daemon=True).start()\n"
    )
    path = source(files=6, each=100)
    straight = run(path, Local(1), "one")
    monkeypatch.setenv("PYTHONPATH", str(hook.parent))
    killed = run(path, Local(2), "two")
    assert flag.exists()
    assert_equal(straight, killed)


def test_an_engine_that_is_none_is_told() -> None:
    with pytest.raises(UserError, match="there is no engine 'spark'"):
        engine_at("spark", 2)
