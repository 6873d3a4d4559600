import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from cygnet.errors import UserError
from cygnet.files import write_jsonl
from cygnet.model.folder import load_language_model, load_scalar_model, save_model, scalar_from
from cygnet.model.transformer import ScalarModel, Transformer
from cygnet.stages.config import RlConfig
from cygnet.stages.rl import Reinforcement, read_prompts, train_rl
from cygnet.stages.rl_models import Models
from cygnet.stages.rollouts import Learner
from cygnet.tokens.chat import render_prompt
from cygnet.tokens.tokenizer import Tokenizer, train_tokenizer
from cygnet.training.metrics import Metrics
from cygnet.training.work import Work

CONFIG = RlConfig(iterations=4, rollouts=8, minibatches=2, critic_warmup=0, max_new_tokens=12)


@pytest.fixture
def stage(inputs: Path, tokenizer: Tokenizer) -> Reinforcement:
    return make(inputs, tokenizer, CONFIG)


def make(inputs: Path, tokenizer: Tokenizer, config: RlConfig) -> Reinforcement:
    policy, _ = load_language_model(inputs / "base")
    reference, _ = load_language_model(inputs / "base")
    reward, _ = load_scalar_model(inputs / "reward")
    critic = scalar_from(reward)
    models = Models(policy, critic, reference, reward, tokenizer, Learner(policy, critic), [], None)
    stage = Reinforcement(models, config, Work(Path("nowhere"), Path("nowhere"), seed=2))
    rows = read_prompts(inputs / "prompts.jsonl", tokenizer, 64)
    stage.prompts = [render_prompt(row["prompt"], tokenizer) for row in rows]
    return stage


def test_held_out_answers_are_judged_so_many_at_once(inputs: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    found, sizes = [], []
    for at_once in (None, 3):
        stage = make(inputs, tokenizer, CONFIG)
        stage._work = replace(stage._work, rows_at_once=at_once)
        rows = read_prompts(inputs / "prompts.jsonl", tokenizer, 64)
        stage.watch((rows * 8)[:8], None)
        passes: list[int] = []
        for model in (stage._reward_model, stage._reference):
            model.model.register_forward_pre_hook(lambda *_, passes=passes: passes.append(1))
        metrics = Metrics(tmp_path / f"{at_once}.jsonl", 0)
        stage.after(0, metrics)
        found.append(metrics.history("eval")[0])
        sizes.append(len(passes))
    assert sizes == [2, 6]  # all at once, and 3, 3 and 2
    assert found[0]["rewards"] == pytest.approx(found[1]["rewards"], abs=1e-5)
    assert found[0]["kl"] == pytest.approx(found[1]["kl"], abs=1e-5)


def test_on_the_first_minibatch_ratios_are_one_and_the_kl_is_zero(stage: Reinforcement) -> None:
    (batch,) = stage.micro_batches(0)
    loss = stage.loss(batch)
    assert loss.extras["approximate_kl"] == 0
    assert loss.extras["clip_fraction"] == 0
    assert loss.extras["kl"] == 0
    advantages = batch.advantages[batch.answers.sampled]
    policy_part = float(loss.total.detach()) - loss.extras["value_loss"]
    assert policy_part == pytest.approx(-float(advantages.sum()), abs=1e-4)
    assert loss.count == float(batch.answers.sampled.sum())


def test_the_first_gradient_is_the_plain_policy_gradient(stage: Reinforcement) -> None:
    from cygnet.stages.rollouts import token_logprobs

    (batch,) = stage.micro_batches(0)
    policy = stage._policy
    stage.loss(batch).total.backward()
    found = [parameter.grad.clone() for parameter in policy.parameters()]
    policy.zero_grad()
    (-(token_logprobs(policy, batch.answers)[0] * batch.advantages).sum()).backward()
    for parameter, gradient in zip(policy.parameters(), found, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-5)


def test_advantages_are_whitened_over_the_round_and_minibatches_share_it(stage: Reinforcement) -> None:
    parts = [stage.micro_batches(step)[0] for step in range(2)]
    assert [len(part.answers.sampled) for part in parts] == [4, 4]
    chosen = torch.cat([part.advantages[part.answers.sampled] for part in parts])
    assert chosen.mean().item() == pytest.approx(0, abs=1e-5)
    assert chosen.std(correction=0).item() == pytest.approx(1, abs=1e-4)


def test_epochs_go_over_the_same_answers_again(inputs: Path, tokenizer: Tokenizer) -> None:
    stage = make(inputs, tokenizer, CONFIG.model_copy(update={"epochs": 2}))
    batches = [stage.micro_batches(step)[0] for step in range(4)]
    assert batches[0] is batches[2]
    assert batches[1] is batches[3]
    assert stage.micro_batches(4)[0] is not batches[0]


def test_the_end_of_turn_is_learned_and_what_follows_is_not(stage: Reinforcement, tokenizer: Tokenizer) -> None:
    (batch,) = stage.micro_batches(0)
    answers = batch.answers
    targets = answers.rows.targets.flatten()[answers.place]
    assert (targets[answers.sampled] == tokenizer.end_id).any()
    for row, sampled in zip(targets, answers.sampled, strict=True):
        ends = ((row == tokenizer.end_id) & sampled).nonzero()[:, 0].tolist()
        assert len(ends) <= 1
        if ends:
            assert not sampled[ends[0] + 1 :].any()


def test_while_the_critic_warms_up_only_it_learns(inputs: Path, tokenizer: Tokenizer) -> None:
    stage = make(inputs, tokenizer, CONFIG.model_copy(update={"critic_warmup": 1}))
    (batch,) = stage.micro_batches(0)
    loss = stage.loss(batch)
    loss.total.backward()
    assert float(loss.total.detach()) == pytest.approx(loss.extras["value_loss"])
    assert all(parameter.grad is None for parameter in stage._policy.parameters())
    assert any(parameter.grad.abs().sum() > 0 for parameter in stage._critic.parameters())
    stage.loss(stage.micro_batches(2)[0]).total.backward()
    assert any(parameter.grad.abs().sum() > 0 for parameter in stage._policy.parameters())


def test_reference_and_reward_model_do_not_learn(stage: Reinforcement) -> None:
    stage.loss(stage.micro_batches(0)[0]).total.backward()
    for model in (stage._reference, stage._reward_model):
        assert all(parameter.grad is None for parameter in model.parameters())


def test_every_prompt_comes_once_an_epoch(stage: Reinforcement) -> None:
    drawn = [tuple(prompt) for iteration in range(15) for prompt in stage._draw(iteration)]
    assert sorted(drawn) == sorted(map(tuple, stage.prompts * 4))
    assert drawn[:30] != drawn[30:60]


def test_the_policy_comes_to_write_what_the_reward_model_likes(inputs: Path, tmp_path: Path, work: Work) -> None:
    config = RlConfig(
        iterations=10, rollouts=64, minibatches=2, critic_warmup=1, max_new_tokens=12, lr=3e-3, evaluations=2
    )
    prompts = inputs / "prompts.jsonl"

    def gold(row: dict[str, Any], response: str, finished: bool) -> float:
        assert row["prompt"]
        return float(finished)

    metrics = train_rl(inputs / "base", inputs / "reward", prompts, tmp_path / "rl", config, work, gold, prompts)
    assert metrics["reward_after"] > metrics["reward_before"] + 0.5
    assert metrics["kl"] > 0
    assert metrics["gold_after"] > metrics["gold_before"]  # an answer that never ends gets the lowest reward
    low, high = metrics["gain_ci95"]
    assert low <= metrics["gold_after"] - metrics["gold_before"] <= high
    rows = [json.loads(line) for line in work.metrics.read_text().splitlines()]
    steps = [row for row in rows if row["event"] == "step"]
    assert len(steps) == 10
    keys = {"reward", "kl", "length", "entropy", "clip_fraction", "value_loss", "kl_coefficient", "loss", "tokens"}
    assert keys <= set(steps[-1])
    assert steps[0]["kl"] == 0
    evaluations = [row for row in rows if row["event"] == "eval"]
    assert [row["step"] for row in evaluations] == [0, 10, 20]
    assert {"gold", "reward", "kl", "length"} <= set(evaluations[0])
    assert evaluations[0]["kl"] == 0
    assert sum(row["event"] == "sample" for row in rows) == 3 * 6
    tuned, _ = load_language_model(tmp_path / "rl")
    base, _ = load_language_model(inputs / "base")
    assert not all(map(torch.equal, tuned.state_dict().values(), base.state_dict().values()))


def test_without_a_gold_judge_there_is_no_gold(inputs: Path, tmp_path: Path, work: Work) -> None:
    config = CONFIG.model_copy(update={"iterations": 1, "evaluations": 1})
    prompts = inputs / "prompts.jsonl"
    metrics = train_rl(inputs / "base", inputs / "reward", prompts, tmp_path / "rl", config, work, None, prompts)
    assert set(metrics) == {"episodes", "reward_before", "reward_after", "kl"}


def test_a_reward_model_of_another_tokenizer_is_refused(
    inputs: Path, tmp_path: Path, work: Work, reward_model: ScalarModel
) -> None:
    save_model(tmp_path / "reward", reward_model, train_tokenizer(["other words in another tokenizer"] * 3, 300))
    with pytest.raises(UserError, match="use different tokenizers"):
        train_rl(inputs / "base", tmp_path / "reward", inputs / "prompts.jsonl", tmp_path / "rl", CONFIG, work)
    assert not (tmp_path / "rl").exists()


def test_a_reward_model_that_reads_less_is_refused(
    inputs: Path, tmp_path: Path, work: Work, build, tokenizer: Tokenizer
) -> None:
    save_model(tmp_path / "reward", build(ScalarModel, context_length=32), tokenizer)
    with pytest.raises(UserError, match=r"reward reads 32 tokens, but .*base may write 64"):
        train_rl(inputs / "base", tmp_path / "reward", inputs / "prompts.jsonl", tmp_path / "rl", CONFIG, work)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"messages": []}, r'expected {"prompt": \[messages\]}, found the keys \[\'messages\'\]'),
        ({"prompt": "hello"}, "expected a list of messages"),
        ({"prompt": []}, "expected a list of messages"),
        ({"prompt": [{"role": "robot", "content": "hello"}]}, "unknown role 'robot'"),
        ({"prompt": [{"role": "user", "content": "hello " * 60}]}, r"leave no room to answer in 64\. Shorten it"),
    ],
)
def test_a_malformed_prompt_is_named(tmp_path: Path, tokenizer: Tokenizer, row: dict, message: str) -> None:
    write_jsonl(tmp_path / "prompts.jsonl", [{"prompt": [{"role": "user", "content": "hello"}]}, row])
    with pytest.raises(UserError, match=rf"prompts\.jsonl, row 2: .*{message}"):
        read_prompts(tmp_path / "prompts.jsonl", tokenizer, 64)


def test_rollouts_are_split_evenly() -> None:
    with pytest.raises(ValidationError, match=r"rollouts \(10\) must be a multiple of minibatches \(4\)"):
        RlConfig(rollouts=10, minibatches=4)


def test_a_learner_names_its_parts(build) -> None:
    policy, critic = build(), build(ScalarModel)
    names = {name.partition(".")[0] for name, _ in Learner(policy, critic).named_parameters()}
    assert names == {"policy", "critic"}
    assert isinstance(Learner(policy, critic).policy, Transformer)
