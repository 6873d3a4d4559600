from itertools import count
from types import SimpleNamespace

import pytest

from cygnet.model.config import ModelConfig
from cygnet.recipe.load import load_recipe
from cygnet.recipe.planner.measure import best_seconds, training_rate
from cygnet.recipe.planner.shape import flops_per_token


def test_the_rate_is_that_of_the_recipes_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe(["smoke", "pretrain.rows_per_step=2"])
    monkeypatch.setattr("cygnet.recipe.planner.measure.best_seconds", lambda step: step() or 0.5)
    shape = ModelConfig.from_depth(2, 512, recipe.pretrain.context_length)
    assert training_rate(recipe) == pytest.approx(2 * shape.context_length * flops_per_token(shape) / 0.5)


def test_busy_moments_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two repetitions of three take a second, in which others were at work."""
    ticks = count()

    def clock() -> float:
        repetition, end = divmod(next(ticks), 2)
        return repetition * 10 + end * (0.01 if repetition % 3 == 2 else 1.0)

    monkeypatch.setattr("cygnet.recipe.planner.measure.time", SimpleNamespace(perf_counter=clock))
    assert best_seconds(lambda: None) == pytest.approx(0.01)
