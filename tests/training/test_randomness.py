import random

import numpy as np
import pytest
import torch

from cygnet.training.checkpoint import latest_checkpoint, save_checkpoint
from cygnet.training.randomness import random_state, restore_random, seed_all


def draw() -> list[float]:
    return [
        *torch.rand(3).tolist(),
        *np.random.normal(size=3).tolist(),  # noqa: NPY002 - it is what is tested
        *(random.gauss(0, 1) for _ in range(3)),  # an odd number: half of a pair is kept for later
    ]


@pytest.fixture(autouse=True)
def _as_before():
    before = random_state()
    yield
    restore_random(before)


def test_a_seed_gives_the_same_numbers_again() -> None:
    seed_all(7)
    first = draw()
    draw()
    seed_all(7)
    assert draw() == first
    seed_all(8)
    assert not set(draw()) & set(first)


def test_numbers_go_on_from_a_checkpoint(tmp_path) -> None:
    seed_all(2**32 + 7)
    draw()
    save_checkpoint(tmp_path, 1, {"random": random_state()})
    expected = draw()
    seed_all(1)
    _, state = latest_checkpoint(tmp_path)
    restore_random(state["random"])
    assert draw() == expected


def test_who_trains_on_the_cpu_wakes_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """To begin with one takes some of its memory, and fails where another process has it for itself."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    assert random_state()["cuda"] is None
