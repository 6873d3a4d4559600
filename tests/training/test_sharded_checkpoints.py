"""Checkpoints of sharded models: each process writes what it holds, and any number of them takes it up."""

import errno
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_stage import Reading, Together, events, same, trained, work_in
from torch import Tensor

from cygnet.errors import UserError
from cygnet.training import checkpoint
from cygnet.training.checkpoint import CheckpointWriter, latest_checkpoint
from cygnet.training.distribution import full, spread
from cygnet.training.optimizers import muon_and_adamw
from cygnet.training.pieces import Pieces
from cygnet.training.resumption import resume
from cygnet.training.world import World

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

FULL = {"sharding": "full"}


def stopped(together: Together, build: Any, folder: Path, size: int) -> Path:
    """A folder with the checkpoint after 6 updates of so many processes; sharded, if they are several."""
    if size == 1:
        with pytest.raises(KeyboardInterrupt):
            trained(World(), build, folder, stop=5)
    else:
        for error in together(size, lambda world: trained(world, build, folder, stop=5, **FULL)):
            assert type(error) is KeyboardInterrupt
    return folder


def taken_up(world: World, build: Any, folder: Path) -> tuple[int, list[np.ndarray]]:
    """The step that a process goes on from, and all weights and moments that it then has, made whole."""
    model = build(seed=5, depth=2, context_length=32)
    work = work_in(folder, world, **FULL)
    spread(model, work)
    optimizers = muon_and_adamw(model, 0.02, 0.01, world)
    place = resume(model, optimizers, Reading(model, work), work)
    tensors = [*model.state_dict().values()]
    for optimizer in optimizers:
        tensors += [value for found in optimizer.state.values() for value in found.values()]
    return place.step, [full(tensor.detach()).numpy() for tensor in tensors]


@pytest.mark.parametrize("writers", [1, 3])
def test_any_number_of_processes_take_up_what_others_wrote(
    together: Together, build, tmp_path: Path, writers: int
) -> None:
    folder = stopped(together, build, tmp_path, writers)
    step, expected = taken_up(World(), build, folder)
    assert step == 6
    assert len(expected) > 40
    for readers in (2, 4):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Pieces, "whole", lambda self: pytest.fail("made whole"))
            for place, found in together(readers, lambda world: taken_up(world, build, folder)):
                assert place == 6
                assert all(map(np.array_equal, found, expected))


def test_each_writes_its_part_and_nothing_is_there_twice(together: Together, build, tmp_path: Path) -> None:
    folder = stopped(together, build, tmp_path, 3) / "checkpoints" / "step_00000006"
    sizes = [(folder / f"part_{rank}.safetensors").stat().st_size for rank in range(3)]
    numbers = sum(parameter.numel() for parameter in build(depth=2, context_length=32).parameters())
    moments = numbers + sum(
        p.numel()
        for name, p in build(depth=2, context_length=32).named_parameters()
        if not (p.ndim == 2 and ".layers." in name)
    )
    assert sum(sizes) < 1.1 * 4 * (numbers + moments) + 100_000
    assert max(sizes[1:]) < 0.4 * sum(sizes)
    assert json.loads((folder / "state.json").read_text())["parts"][2]["file"] == "part_2.safetensors"
    assert len(list(folder.iterdir())) == 4


@pytest.mark.parametrize("readers", [1, 4])
def test_the_run_goes_on_with_more_and_with_fewer(together: Together, build, tmp_path: Path, readers: int) -> None:
    trained(World(), build, tmp_path / "one")
    folder = stopped(together, build, tmp_path / "changing", 2)
    if readers == 1:
        trained(World(), build, folder)
    else:
        together(readers, lambda world: trained(world, build, folder, **FULL))
    assert same(events(folder), events(tmp_path / "one"))


@pytest.mark.parametrize("damage", ["changed", "gone", "cut"])
def test_one_damaged_part_damages_the_checkpoint(
    together: Together, build, tmp_path: Path, capfd: pytest.CaptureFixture[str], damage: str
) -> None:
    together(2, lambda world: trained(world, build, tmp_path, **FULL))
    newest = tmp_path / "checkpoints" / "step_00000008"
    part = newest / "part_1.safetensors"
    data = part.read_bytes()
    part.unlink()
    if damage != "gone":
        part.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if damage == "changed" else data[:-9])
    capfd.readouterr()
    for step, _ in together(2, lambda world: taken_up(world, build, tmp_path)):
        assert step == 4
    said = capfd.readouterr().err
    assert said.count(f"checkpoint {newest} is damaged, and removed; using that of step 4.") == 1


def test_when_all_are_damaged_no_process_begins_again(together: Together, build, tmp_path: Path) -> None:
    stopped(together, build, tmp_path, 2)
    for part in (tmp_path / "checkpoints").rglob("part_1.safetensors"):  # which one of them checks
        part.write_bytes(b"")
    for error in together(2, lambda world: taken_up(world, build, tmp_path)):
        assert isinstance(error, UserError)
        assert "are damaged: step_00000004, step_00000006. Put back" in str(error)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


def test_what_one_process_cant_read_ends_all(together: Together, build, tmp_path: Path) -> None:
    stopped(together, build, tmp_path, 2)

    def job(world: World) -> None:
        def refuse(path: Path) -> str:
            raise OSError(errno.EIO, "Input/output error")

        if world.rank == 1:
            checkpoint.sha256_of = refuse
        taken_up(world, build, tmp_path)

    told, failed = together(2, job)
    assert "another process could not read a checkpoint" in str(told)
    assert "step_00000006 can't be read: Input/output error." in str(failed)


def test_killed_while_writing_its_part_the_one_before_counts(together: Together, build, tmp_path: Path) -> None:
    """At 8 a process is killed in the middle of its part; the run then goes on from 4, bit for bit."""

    def killed(world: World) -> None:
        original = checkpoint.save_file

        def half(tensors: dict[str, Tensor], path: Path) -> None:
            if world.rank == 1 and "step_00000008" in str(path):
                path.write_bytes(b"half")
                os.kill(os.getpid(), signal.SIGKILL)
            original(tensors, path)

        checkpoint.save_file = half
        trained(world, build, tmp_path / "killed", **FULL)

    left, dead = together(2, killed)
    assert dead is None
    assert isinstance(left, UserError)
    checkpoints = tmp_path / "killed" / "checkpoints"
    assert latest_checkpoint(checkpoints)[0] == 4
    beside = checkpoints / ".step_00000008.writing-together"
    assert beside.exists()
    shutil.copy(beside / "part_0.safetensors", beside / "part_5.safetensors")  # as of an attempt of more processes
    straight, _ = together(2, lambda world: trained(world, build, tmp_path / "straight", **FULL))
    again, _ = together(2, lambda world: trained(world, build, tmp_path / "killed", **FULL))
    assert np.array_equal(again, straight)
    assert events(tmp_path / "killed") == events(tmp_path / "straight")
    assert sorted(path.name for path in checkpoints.iterdir()) == ["step_00000004", "step_00000008"]
    assert not (checkpoints / "step_00000008" / "part_5.safetensors").exists()


def test_a_part_that_cant_be_written_ends_all(together: Together, build, tmp_path: Path) -> None:
    def job(world: World) -> None:
        def refuse(tensors: dict[str, Tensor], path: Path) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        if world.rank == 1:
            checkpoint.save_file = refuse
        trained(world, build, tmp_path, **FULL)

    told, refused = together(2, job)
    assert "No space left on device" in str(refused)
    assert "another process could not write its part of a checkpoint" in str(told)
    assert latest_checkpoint(tmp_path / "checkpoints") is None


def test_it_counts_from_the_check_at_which_all_parts_are_there(together: Together, tmp_path: Path) -> None:
    def job(world: World) -> list[bool]:
        found = []
        original = checkpoint.save_file
        with CheckpointWriter(tmp_path, world) as writer:

            def slow(tensors: dict[str, Tensor], path: Path) -> None:
                while world.rank == 1 and not (tmp_path / "go").exists():
                    signal.sigtimedwait([], 0.01)
                original(tensors, path)

            checkpoint.save_file = slow
            writer.save(3, {"a": torch.ones(3)} if world.first else {})
            for _ in range(20):
                writer.check()
            found.append((tmp_path / "step_00000003").exists())
            world.sums([1.0])
            (tmp_path / "go").touch()
            writer.wait()
            world.sums([1.0])
            found.append((tmp_path / "step_00000003").exists())
        return found

    assert together(2, job) == [[False, True]] * 2
    assert latest_checkpoint(tmp_path)[1]["a"].tolist() == [1.0] * 3


@pytest.mark.parametrize("sharding", ["none", "full"])
def test_interrupted_none_ends_before_all_of_it_is_written(
    together: Together, build, tmp_path: Path, sharding: str
) -> None:
    """torchrun ends all processes when one has ended: the first, too, were it still at work on its checkpoint."""

    def job(world: World) -> bool:
        for name in ("save_file", "write_json"):
            original = getattr(checkpoint, name)
            if world.first:
                setattr(checkpoint, name, lambda *given, write=original: (time.sleep(0.5), write(*given)))
        try:
            trained(world, build, tmp_path, stop=5, sharding=sharding)
        except KeyboardInterrupt:
            return (tmp_path / "checkpoints" / "step_00000006").exists()
        return False

    assert together(3, job) == [True] * 3
