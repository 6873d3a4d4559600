import errno
import os
import random
import shutil
import threading
from pathlib import Path

import pytest
import torch
from torch import nn

from cygnet.errors import UserError
from cygnet.training import checkpoint
from cygnet.training.checkpoint import CheckpointWriter, latest_checkpoint, save_checkpoint
from cygnet.training.optimizers import muon_and_adamw

STATE = {
    "tensors": {
        "a.b": torch.arange(6).view(2, 3),
        "half": torch.randn(3, dtype=torch.bfloat16),
        "scalar": torch.ones(()),
    },
    "list": [torch.tensor([True, False]), {"deeper": [torch.zeros(0), None, "text 🦢", -1, 0.1, True]}],
    "by number": {0: {"step": torch.tensor(3.0)}, 7: [1, 2]},
    "empty": {"list": [], "dict": {}},
    "random": torch.get_rng_state(),
}


def same(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def test_nested_state_comes_back(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 30, STATE)
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert found[0] == 30
    assert same(found[1], STATE)


def test_optimizers_go_on_from_a_checkpoint(build, tmp_path: Path) -> None:
    def steps(model: nn.Module, optimizers: list[torch.optim.Optimizer], seeds: range) -> None:
        for seed in seeds:
            tokens = torch.randint(0, 300, (2, 16), generator=torch.Generator().manual_seed(seed))
            model(tokens).logsumexp(-1).sum().backward()
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()

    straight = build()
    optimizers = muon_and_adamw(straight, 0.02, 0.01)
    steps(straight, optimizers, range(3))
    state = {"model": straight.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in optimizers]}
    save_checkpoint(tmp_path, 3, state)
    steps(straight, optimizers, range(3, 6))

    resumed = build(seed=5)
    others = muon_and_adamw(resumed, 0.02, 0.01)
    found = latest_checkpoint(tmp_path)
    assert found is not None
    resumed.load_state_dict(found[1]["model"])
    for optimizer, saved in zip(others, found[1]["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    steps(resumed, others, range(3, 6))
    assert all(map(torch.equal, straight.state_dict().values(), resumed.state_dict().values()))


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path) is None
    for step in (9, 10, 20, 100):
        save_checkpoint(tmp_path, step, {"step": step})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_00000020", "step_00000100"]
    (tmp_path / "step_000000200").mkdir()  # of somebody else: ours have as many digits as they need, at least eight
    assert latest_checkpoint(tmp_path) == (100, {"step": 100})


def test_damaged_ones_take_no_sound_ones_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that Ctrl-C wrote, after a number of updates at which no other is written, is never written over."""
    for step in (80, 90, 93):
        save_checkpoint(tmp_path, step, {"step": step})
    (tmp_path / "step_00000093/state.json").write_text("{}")
    assert latest_checkpoint(tmp_path) == (90, {"step": 90})
    assert capsys.readouterr().err == (
        f"checkpoint {tmp_path / 'step_00000093'} is damaged, and removed; using that of step 90.\n"
    )
    save_checkpoint(tmp_path, 100, {"step": 100})
    assert [int(path.name[-3:]) for path in sorted(tmp_path.iterdir())] == [90, 100]


def damage_all(folder: Path) -> None:
    for step in (10, 20):
        save_checkpoint(folder, step, {"step": step})
        (folder / f"step_{step:08d}/part_0.safetensors").write_bytes(b"")


def test_when_all_are_damaged_nothing_begins_again_unasked(tmp_path: Path) -> None:
    damage_all(tmp_path)
    with pytest.raises(UserError, match=r"damaged: step_00000010, step_00000020\. Put back a copy .* add --restart"):
        latest_checkpoint(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_when_all_are_damaged_it_begins_again_if_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage_all(tmp_path)
    assert latest_checkpoint(tmp_path, restart=True) is None
    assert capsys.readouterr().err.count("is damaged, and removed; training begins again.") == 2
    assert not list(tmp_path.iterdir())


def test_restart_leaves_sound_ones(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 10, {"step": 10})
    assert latest_checkpoint(tmp_path, restart=True) == (10, {"step": 10})


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE])
@pytest.mark.parametrize("call", ["read_text", "open", "iterdir"])
def test_what_cant_be_read_now_is_not_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    """`read_text` reads state.json, `open` the parts and `iterdir` which there are."""
    for step in (10, 20):
        save_checkpoint(tmp_path, step, STATE)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch, pytest.raises(UserError, match=f"can't be read: {os.strerror(number)}"):
        patch.setattr(Path, call, refuse)
        latest_checkpoint(tmp_path, restart=True)
    assert latest_checkpoint(tmp_path)[0] == 20


@pytest.mark.parametrize("name", ["state.json", "part_0.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "empty", "changed", "gone"])
def test_a_damaged_one_is_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, damage: str
) -> None:
    for step in (10, 20):
        save_checkpoint(tmp_path, step, {"weights": torch.full((100,), step)})
    file = tmp_path / "step_00000020" / name
    data = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes({"cut": data[:-5], "empty": b"", "changed": data[:-1] + b"\xff"}[damage])
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert found[0] == 10
    assert found[1]["weights"].tolist() == [10] * 100
    assert "step_00000020 is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{}", "[]", '{"sha256": "0", "state": {}}', "null"])
def test_json_that_is_no_checkpoint_is_damage(tmp_path: Path, text: str) -> None:
    save_checkpoint(tmp_path, 10, STATE)
    (tmp_path / "step_00000010/state.json").write_text(text)
    with pytest.raises(UserError, match="are damaged: step_00000010"):
        latest_checkpoint(tmp_path)


def test_half_a_write_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, 10, {"step": 10})

    def half(tensors: dict, path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save_file", half)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, 20, {"step": 20})
    assert [path.name for path in tmp_path.iterdir()] == ["step_00000010"]
    (tmp_path / ".step_00000020.writing-1").mkdir()  # as kill -9 would leave it
    assert latest_checkpoint(tmp_path) == (10, {"step": 10})


def test_any_flipped_byte_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = {"weights": torch.arange(5), "deep": [{"x": 1.5}]}
    for step in (10, 20):
        save_checkpoint(tmp_path, step, state)
    rng = random.Random(1)
    for name in ("part_0.safetensors", "state.json"):
        file = tmp_path / "step_00000020" / name
        sound = file.read_bytes()
        for place in rng.sample(range(len(sound)), min(40, len(sound))):
            file.write_bytes(sound[:place] + bytes([sound[place] ^ (1 << rng.randrange(8))]) + sound[place + 1 :])
            assert latest_checkpoint(tmp_path)[0] == 10, (name, place)
            assert "step_00000020 is damaged" in capsys.readouterr().err
            save_checkpoint(tmp_path, 20, state)


def test_what_is_written_is_the_state_as_it_was_when_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread is held until the weights have changed, and the next checkpoint waits for it."""
    go = threading.Event()
    original = checkpoint.save_file

    def slow(tensors: dict, path: Path) -> None:
        assert go.wait(600)
        original(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", slow)
    weights, mean = torch.zeros(1000), [0.0]
    with CheckpointWriter(tmp_path) as writer:
        writer.save(10, {"weights": weights, "mean": mean})
        weights += 1
        mean[0] = 1.0
        assert latest_checkpoint(tmp_path) is None
        threading.Timer(0.05, go.set).start()
        writer.save(20, {"weights": weights, "mean": mean})
        assert (tmp_path / "step_00000010").exists()
    assert latest_checkpoint(tmp_path)[0] == 20
    shutil.rmtree(tmp_path / "step_00000020")
    step, state = latest_checkpoint(tmp_path)
    assert (step, state["mean"]) == (10, [0.0])
    assert not state["weights"].any()


def test_what_goes_wrong_in_the_thread_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(tensors: dict, path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with CheckpointWriter(tmp_path) as writer:
        writer.save(10, STATE)
        with pytest.raises(UserError, match="No space left on device"):
            writer.wait()
        writer.save(20, STATE)
        with pytest.raises(UserError, match="No space left on device"):
            writer.save(30, STATE)
    with pytest.raises(UserError, match="No space left on device"), CheckpointWriter(tmp_path) as writer:
        writer.save(10, STATE)
    with pytest.raises(ConnectionError), CheckpointWriter(tmp_path) as writer:
        writer.save(10, STATE)
        raise ConnectionError
    assert not list(tmp_path.iterdir())


def test_however_the_block_is_left_the_checkpoint_is_whole(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), CheckpointWriter(tmp_path) as writer:
        writer.save(10, STATE)
        raise KeyboardInterrupt
    assert latest_checkpoint(tmp_path)[0] == 10
