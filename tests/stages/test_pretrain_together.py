"""Pretraining in several processes: sharded weights are never made whole on the way, and compiled code resumes."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from torch.distributed.fsdp import FSDPModule

from cygnet.stages import held_out
from cygnet.stages import pretrain as stage
from cygnet.stages.config import PretrainConfig
from cygnet.training import compiling, loop
from cygnet.training.work import Work
from cygnet.training.world import World

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

CONFIG = PretrainConfig(depth=1, context_length=32, rows_per_step=12, heldout_rows=4, warmup=2, evaluations=1)


def run(inputs: Path, folder: Path, world: World, **settings: Any) -> None:
    work = Work(folder / "checkpoints", folder / "metrics.jsonl", 3, 1, progress=False, world=world, **settings)
    stage.pretrain(inputs / "tokens", inputs / "tokenizer", folder / "out", CONFIG, work)


def events(folder: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if "second" not in key} for row in rows]


def test_a_sharded_model_is_looked_at_without_being_made_whole(
    together: Callable[..., list[Any]], inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held-out text is read in shares, equally many, and samples are written, each once."""
    monkeypatch.setattr(loop, "gathered", lambda model: pytest.fail("made whole"))
    monkeypatch.setattr(FSDPModule, "unshard", lambda *_: pytest.fail("made whole"))
    read, original = count(), held_out.nats_of
    monkeypatch.setattr(held_out, "nats_of", lambda *given: (next(read), original(*given))[1])

    def job(world: World) -> int:
        run(inputs, tmp_path, world, sharding="full")
        return next(read)

    found = together(3, job)
    assert len(set(found)) == 1
    assert found[0] > 0
    assert [row["event"] for row in events(tmp_path) if row["event"] != "step"] == ["eval", *["sample"] * 3] * 2


@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of itself
@pytest.mark.parametrize("settings", [{}, {"sharding": "full", "recompute": True}])
def test_a_compiled_stage_goes_on_bit_for_bit(
    settings: dict[str, Any],
    together: Callable[..., list[Any]],
    inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Compiled, though it is too short to repay it; Ctrl-C in one of two processes, and on again with two."""
    monkeypatch.setattr(compiling, "pays", lambda *_: True)
    original = loop.update

    def stopped(world: World) -> None:
        done = count()

        def update(*arguments: Any) -> dict[str, float]:
            if next(done) == 4 and world.rank == 1:
                os.kill(os.getpid(), signal.SIGINT)
            return original(*arguments)

        loop.update = update
        run(inputs, tmp_path / "again", world, **settings)

    def graphs(world: World, folder: str) -> int:
        from torch._dynamo.utils import counters

        run(inputs, tmp_path / folder, world, **settings)
        return int(counters["stats"]["unique_graphs"])

    assert min(together(2, lambda world: graphs(world, "straight"))) > 0
    assert [type(error) for error in together(2, stopped)] == [KeyboardInterrupt] * 2
    assert [path.name for path in (tmp_path / "again/checkpoints").iterdir()] == ["step_00000005"]
    together(2, lambda world: graphs(world, "again"))
    assert "uncompiled" not in capfd.readouterr().err
    assert events(tmp_path / "again") == events(tmp_path / "straight")
    for path in (tmp_path / "straight/out").iterdir():
        assert (tmp_path / "again/out" / path.name).read_bytes() == path.read_bytes(), path.name
