"""PPO in several processes is PPO in one: the same answers, the same numbers of them, the same gradient."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch.optim import SGD

from cygnet.generation import Engine, Sampling
from cygnet.stages.config import AdapterConfig, RlConfig
from cygnet.stages.rl import Reinforcement, read_prompts
from cygnet.stages.rl_models import Models, open_models
from cygnet.tokens.chat import render_prompt
from cygnet.training.distribution import full, gathered
from cygnet.training.loop import update
from cygnet.training.work import Work
from cygnet.training.world import World

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

# of the 5 answers in a minibatch two processes have 2 and 3, and four have 1, 1, 1 and 2
CONFIG = RlConfig(iterations=9, rollouts=10, minibatches=2, critic_warmup=0, max_new_tokens=12)
ONE_EACH = CONFIG.model_copy(update={"rollouts": 2})  # an answer in each minibatch: there is none for some processes
ADAPTED = CONFIG.model_copy(update={"adapter": AdapterConfig(rank=2, base_precision="nf4")})


class Answer(NamedTuple):
    """What is known of one sampled answer: its tokens, and of each the numbers of `Experience`."""

    tokens: list[int]
    numbers: list[list[float]]


def begin(inputs: Path, world: World, config: RlConfig, **settings: Any) -> tuple[Models, Reinforcement]:
    work = Work(Path("unused"), Path("unused"), seed=2, threads=1, progress=False, world=world, **settings)
    models = open_models(inputs / "base", inputs / "reward", config, work)
    stage = Reinforcement(models, config, work)
    rows = read_prompts(inputs / "prompts.jsonl", models.tokenizer, 64)
    stage.prompts = [render_prompt(row["prompt"], models.tokenizer) for row in rows]
    return models, stage


def answers(stage: Reinforcement, step: int) -> Iterator[Answer]:
    for part in stage.micro_batches(step):
        tokens = part.answers.rows.targets.flatten()[part.answers.place]
        for row, sampled in enumerate(part.answers.sampled):
            kept = (values[row, sampled].tolist() for values in part[1:])
            yield Answer(tokens[row, sampled].tolist(), list(kept))


def rounds(inputs: Path, world: World, **settings: Any) -> tuple[list[list[Answer]], dict[str, float]]:
    """This process's answers of two rounds by minibatch, and what is said of the second round."""
    _, stage = begin(inputs, world, CONFIG, **settings)
    return [list(answers(stage, step)) for step in range(4)], stage._round_metrics


def learned(inputs: Path, world: World, config: RlConfig, **settings: Any) -> tuple[np.ndarray, list[dict[str, float]]]:
    """What a round's updates and the next one's first change, by gradient descent, and what is said of them."""
    models, stage = begin(inputs, world, config.model_copy(update={"epochs": 2}), **settings)
    parameters = list(models.trained.parameters())
    optimizer, before = SGD(parameters, lr=0.1), whole(parameters)
    said = []
    for step in range(5):
        with gathered(models.trained):  # as when it is looked at
            pass
        said.append(update(models.trained, [optimizer], stage, step, 0.0, world))
    return whole(parameters) - before, said


def whole(parameters: list[Any]) -> np.ndarray:
    return torch.cat([full(parameter.detach()).flatten() for parameter in parameters]).numpy()


@pytest.mark.parametrize(("size", "settings"), [(2, {}), (4, {}), (2, {"rows_at_once": 2}), (2, {"sharding": "full"})])
def test_the_answers_and_what_is_made_of_them_do_not_depend_on_who_samples(
    together, inputs: Path, size: int, settings: dict[str, Any]
) -> None:
    expected, said = rounds(inputs, World())
    assert [len(minibatch) for minibatch in expected] == [5] * 4
    assert len({tuple(answer.tokens) for minibatch in expected for answer in minibatch}) > 15
    found = together(size, lambda world: rounds(inputs, world, **settings))
    for step, minibatch in enumerate(expected):
        together_drawn = [answer for shares, _ in found for answer in shares[step]]
        assert [answer.tokens for answer in together_drawn] == [answer.tokens for answer in minibatch]
        for one, other in zip(together_drawn, minibatch, strict=True):
            np.testing.assert_allclose(one.numbers, other.numbers, rtol=1e-4, atol=1e-4)
    for _, told in found:
        assert told == pytest.approx(said, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("size", "config", "settings"),
    [
        (2, CONFIG, {}),
        (4, CONFIG, {}),
        (4, ONE_EACH, {}),
        (4, CONFIG, {"rows_at_once": 1}),
        (2, CONFIG, {"sharding": "full"}),
        (4, ONE_EACH, {"sharding": "full", "recompute": True}),
        (2, ADAPTED, {}),
    ],
)
def test_a_round_teaches_what_it_teaches_one_process(
    together, inputs: Path, size: int, config: RlConfig, settings: dict[str, Any]
) -> None:
    expected, alone = learned(inputs, World(), config)
    assert np.linalg.norm(expected) > 0.01
    assert any(said["clip_fraction"] > 0 for said in alone)
    for found, said in together(size, lambda world: learned(inputs, world, config, **settings)):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
        assert [row["count"] for row in said] == [row["count"] for row in alone]
        for row, other in zip(said, alone, strict=True):
            assert row == pytest.approx(other, rel=1e-3, abs=1e-4)


def test_answers_are_read_so_many_at_once(inputs: Path) -> None:
    _, stage = begin(inputs, World(), CONFIG, rows_at_once=2)
    assert [len(part.answers.sampled) for part in stage.micro_batches(0)] == [1, 2, 2]


def test_a_round_is_sampled_with_the_random_numbers_of_its_places(inputs: Path) -> None:
    """As one engine gives them to one list of prompts, whoever answers which of them."""
    models, stage = begin(inputs, World(), CONFIG)
    drawn = [list(answers(stage, step)) for step in range(2)]
    sampling = Sampling(max_new_tokens=12, seed=2 * 100_003 + 1)
    expected = Engine(models.policy, models.tokenizer).generate(stage._draw(0), sampling)
    chosen = [
        [token for token, sampled in zip(found.tokens, found.sampled, strict=True) if sampled] for (found,) in expected
    ]
    assert [answer.tokens for minibatch in drawn for answer in minibatch] == chosen
