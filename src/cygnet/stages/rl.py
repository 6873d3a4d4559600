"""Reinforcement learning: PPO with a critic against the reward model, held near the SFT model (Ouyang et al. 2022)."""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cygnet.errors import UserError
from cygnet.files import read_jsonl
from cygnet.generation import Completion, Engine, Sampling
from cygnet.model.adapter_folder import model_folder_of
from cygnet.stages import ppo
from cygnet.stages.config import RlConfig
from cygnet.stages.intervals import prompt_interval
from cygnet.stages.rl_models import Models, open_models
from cygnet.stages.rollouts import Answers, Experience, lay_out, rewards_of, token_logprobs, token_values
from cygnet.tokens.chat import prompt_key, read_messages, render_prompt, response_text
from cygnet.tokens.tokenizer import Tokenizer, check_same_tokenizer
from cygnet.training.distribution import gathered, on_device
from cygnet.training.loop import Loss, Plan, fit
from cygnet.training.metrics import Metrics
from cygnet.training.order import visits
from cygnet.training.shares import at_once, parts
from cygnet.training.work import Work

# (row of the prompts file, response, finished) → score from 0 to 1
Gold = Callable[[dict[str, Any], str, bool], float]


def train_rl(
    sft: Path,
    reward: Path,
    prompts: Path,
    out: Path,
    config: RlConfig,
    work: Work,
    gold: Gold | None = None,
    heldout: Path | None = None,
) -> dict[str, Any]:
    """Tune `sft` on the prompts of a JSON Lines file and write the policy, or an adapter for `sft`, to `out`.

    Returns the stage's metrics, in the first process.

    `gold` judges answers to the `heldout` prompts before, during and after; it is only watched, never trained on.

    Raises:
        UserError: for malformed rows, prompts as long as the context, or models that don't fit each other.
    """
    check_same_tokenizer(model_folder_of(sft), model_folder_of(reward))
    models = open_models(sft, reward, config, work)
    policy, reward_model, tokenizer = models.policy, models.reward_model, models.tokenizer
    if reward_model.config.context_length < policy.config.context_length:
        raise UserError(
            f"{reward} reads {reward_model.config.context_length} tokens, but {sft} may write "
            f"{policy.config.context_length}: it couldn't score the longest answers."
        )
    stage = Reinforcement(models, config, work)
    context = policy.config.context_length
    stage.prompts = [render_prompt(row["prompt"], tokenizer) for row in read_prompts(prompts, tokenizer, context)]
    if heldout is not None:
        stage.watch(read_prompts(heldout, tokenizer, context), gold)
    per_round = config.minibatches * config.epochs
    steps, five = config.iterations * per_round, 5 * per_round
    plan = Plan(steps, "linear", clip=1.0, checkpoint_every=five, log_every=per_round, round=per_round)
    metrics = fit(models.trained, models.optimizers, stage, plan, work)
    models.save(out, sft, work.world)
    if not work.world.first:
        return {}
    evaluations = metrics.history("eval")
    return {"episodes": config.iterations * config.rollouts, **_before_and_after(evaluations, work.seed)}


class Reinforcement:
    """Rounds of rollouts; a round's minibatches are the next updates. The KL coefficient outlives a round."""

    name = "rl"
    counts = "tokens"

    def __init__(self, models: Models, config: RlConfig, work: Work) -> None:
        self._policy, self._critic, self._tokenizer = models.policy, models.critic, models.tokenizer
        self._reference, self._reward_model = models.reference, models.reward_model
        self._config, self._work = config, work
        self._kl_coefficient = config.kl_coefficient
        self._round: list[Sequence[Experience]] = []
        self._round_metrics: dict[str, float] = {}
        self.prompts: list[list[int]] = []
        self._heldout: list[dict[str, Any]] = []
        self._gold: Gold | None = None
        per_round = config.minibatches * config.epochs
        self._due = {
            round(config.iterations * i / config.evaluations) * per_round for i in range(config.evaluations + 1)
        }

    def watch(self, rows: list[dict[str, Any]], gold: Gold | None) -> None:
        """Answer these prompts when an evaluation is due, and let `gold` judge the answers."""
        self._heldout, self._gold = rows, gold

    def micro_batches(self, step: int) -> Sequence[Experience]:
        """This process's share of the next minibatch; a round's first samples the round, with the policy as it is."""
        iteration, place = divmod(step, self._config.minibatches * self._config.epochs)
        if place == 0:
            self._round = self._collect(iteration)
        return self._round[place % self._config.minibatches]

    def loss(self, batch: Experience) -> Loss:
        """Clipped policy loss plus value loss, summed over sampled tokens."""
        answers, config = batch.answers, self._config
        mask = answers.sampled
        values = token_values(self._critic, answers)
        total = ppo.value_loss(values, batch.values, batch.returns, mask, config.value_clip)
        extras, count = {"value_loss": total.detach()}, mask.sum()
        if self._critic_only:
            return Loss(total, count, {**extras, **self._weighted(count)})
        logprobs, entropy = token_logprobs(self._policy, answers)
        policy = ppo.policy_loss(logprobs, batch.logprobs, batch.advantages, mask, config.clip)
        extras |= {
            "clip_fraction": policy.clipped,
            "approximate_kl": policy.approximate_kl,
            "entropy": entropy.sum(),
        }
        return Loss(policy.total + total, count, {**extras, **self._weighted(count)})

    def due(self, step: int) -> bool:
        """At the start, at the end and so often in between, if there are prompts held out."""
        return step in self._due and bool(self._heldout)

    def after(self, step: int, metrics: Metrics) -> None:
        """Answer the held-out prompts."""
        prompts = [render_prompt(row["prompt"], self._tokenizer) for row in self._heldout]
        completions = self._answer(prompts, self._work.seed, range(len(prompts)))
        rewards = self._rewards(prompts, completions)
        texts = [response_text(completion.tokens, self._tokenizer) for completion in completions]
        kl = self._gaps(prompts, completions)
        values: dict[str, Any] = {"reward": float(rewards.mean()), "rewards": rewards.tolist(), "kl": float(kl.mean())}
        values["length"] = float(np.mean([len(completion.tokens) for completion in completions]))
        if self._gold is not None:
            finished = [completion.finish_reason == "stop" for completion in completions]
            golds = [self._gold(*item) for item in zip(self._heldout, texts, finished, strict=True)]
            asked = [prompt_key(row["prompt"]) for row in self._heldout]
            values |= {"gold": float(np.mean(golds)), "golds": golds, "prompts": asked}
        metrics.log("eval", step, **values)
        for row, text in list(zip(self._heldout, texts, strict=True))[:6]:
            metrics.log("sample", step, prompt=row["prompt"][-1]["content"], text=text)

    def state_dict(self) -> dict[str, Any]:
        """The KL coefficient; checkpoints fall between rounds, so there is no round in hand."""
        return {"kl_coefficient": self._kl_coefficient}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the KL coefficient up again."""
        self._kl_coefficient = float(state["kl_coefficient"])

    @torch.no_grad()
    def _collect(self, iteration: int) -> list[Sequence[Experience]]:
        """Sample this process's answers and score them, in minibatches, with advantages whitened over the round."""
        config, drawn = self._config, self._draw(iteration)
        self._critic_only = iteration < config.critic_warmup
        size = config.rollouts // config.minibatches
        shares = [parts(range(start, start + size), self._work) for start in range(0, config.rollouts, size)]
        mine = [place for share in shares for part in share for place in part]
        prompts = [drawn[place] for place in mine]
        with gathered(self._policy), gathered(self._critic):
            completions = self._answer(prompts, self._work.seed * 100_003 + iteration + 1, mine)
            scores = self._rewards(prompts, completions)
            ends = accumulate((len(part) for share in shares for part in share), initial=0)
            cuts = [slice(start, end) for start, end in pairwise(ends)]
            found = [self._experience(prompts[cut], completions[cut], scores[cut]) for cut in cuts]
        self._take_stock(scores, sum(float(gaps.sum()) for _, gaps in found), completions)
        experiences = [experience for experience, _ in found]
        masks = [item.answers.sampled for item in experiences]
        whitened = ppo.whiten([item.advantages for item in experiences], masks, self._work.world)
        ready = [item._replace(advantages=values) for item, values in zip(experiences, whitened, strict=True)]
        return [ready[start : start + len(shares[0])] for start in range(0, len(ready), len(shares[0]))]

    def _take_stock(self, scores: torch.Tensor, kl: float, completions: Sequence[Completion]) -> None:
        """The round's means over all processes, for its log line; the KL coefficient is steered by them."""
        config, length = self._config, sum(sum(completion.sampled) for completion in completions)
        sums = self._work.world.sums([float(scores.sum()), kl, float(length)])
        means = dict(zip(("reward", "kl", "length"), (total / config.rollouts for total in sums), strict=True))
        self._round_metrics = {**means, "kl_coefficient": self._kl_coefficient}
        if not self._critic_only:
            before, target = self._kl_coefficient, config.kl_target
            self._kl_coefficient = ppo.adapt(before, means["kl"], target, config.rollouts, config.kl_horizon)

    def _answer(self, prompts: Sequence[list[int]], seed: int, places: Sequence[int]) -> list[Completion]:
        """One answer to each prompt, by the random numbers of its place among those of all processes.

        What an earlier engine has read must not matter, for a run that is taken up again has none.
        """
        longest, engine = self._config.max_new_tokens, Engine(self._policy, self._tokenizer)
        # a seed's words are the round's and the place's, as they are where one engine answers all the round's prompts
        samplings = [Sampling(max_new_tokens=longest, seed=seed + (place << 32)) for place in places]
        return [found[0] for found in engine.generate(prompts, samplings)]

    def _rewards(self, prompts: Sequence[list[int]], completions: Sequence[Completion]) -> torch.Tensor:
        unfinished, together = self._config.unfinished_reward, at_once(self._work, most=256)
        return rewards_of(self._reward_model, self._tokenizer, prompts, completions, unfinished, together)

    @torch.no_grad()
    def _gaps(self, prompts: Sequence[list[int]], completions: Sequence[Completion]) -> torch.Tensor:
        """Each answer's KL to the reference in nats."""
        together, gaps = at_once(self._work, most=len(prompts)), []
        for start in range(0, len(prompts), together):
            some = slice(start, start + together)
            answers = self._lay_out(prompts[some], completions[some])
            policy, reference = (token_logprobs(model, answers)[0] for model in (self._policy, self._reference))
            gaps.append((policy - reference).sum(dim=1))
        return torch.cat(gaps)

    def _lay_out(self, prompts: Sequence[list[int]], completions: Sequence[Completion]) -> Answers:
        """On this process's device."""
        answers = lay_out(prompts, completions, self._policy.config.context_length, self._tokenizer.pad_id)
        there: Answers = on_device(answers, self._work.world.device)
        return there

    def _experience(
        self, prompts: Sequence[list[int]], completions: Sequence[Completion], scores: torch.Tensor
    ) -> tuple[Experience, torch.Tensor]:
        """Some answers with advantages not yet whitened, and each answer's KL to the reference in nats."""
        config, answers = self._config, self._lay_out(prompts, completions)
        logprobs, reference = (token_logprobs(model, answers)[0].cpu() for model in (self._policy, self._reference))
        values, answers = token_values(self._critic, answers).cpu(), on_device(answers, "cpu")
        rewards = ppo.token_rewards(logprobs, reference, scores, answers.sampled, self._kl_coefficient)
        advantages, returns = ppo.generalized_advantages(
            rewards, values, answers.sampled, config.discount, config.trace_decay
        )
        return Experience(answers, logprobs, values, advantages, returns), (logprobs - reference).sum(dim=1)

    def _draw(self, iteration: int) -> list[list[int]]:
        """The round's prompts: the file in seeded order, epoch after epoch."""
        size = self._config.rollouts
        return [self.prompts[i] for i in visits(len(self.prompts), iteration * size, size, self._work.seed)]

    def _weighted(self, count: torch.Tensor) -> dict[str, torch.Tensor]:
        """The round's own means, in the sums the loop divides by the count."""
        return {name: value * count.double() for name, value in self._round_metrics.items()}


def read_prompts(path: Path, tokenizer: Tokenizer, context_length: int) -> list[dict[str, Any]]:
    """Rows with at least {"prompt": [messages]}. Raises UserError naming the row that has none, or too long a one."""
    rows = read_jsonl(path)
    for number, row in enumerate(rows, 1):
        if "prompt" not in row:
            raise UserError(f'{path}, row {number}: expected {{"prompt": [messages]}}, found the keys {sorted(row)}.')
        try:
            length = len(render_prompt(read_messages(row["prompt"]), tokenizer))
        except UserError as error:
            raise UserError(f"{path}, row {number}: {error}") from error
        if length >= context_length:
            raise UserError(
                f"{path}, row {number}: {length} tokens leave no room to answer in {context_length}. "
                "Shorten it, or pretrain with a longer context_length."
            )
    return rows


def _before_and_after(evaluations: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    """First and last evaluation, and the 95 % interval of the gold gain by bootstrap over the prompts."""
    if not evaluations:
        return {}
    first, last = evaluations[0], evaluations[-1]
    found = {"reward_before": first["reward"], "reward_after": last["reward"], "kl": last["kl"]}
    if "gold" in last:
        gains = np.array(last["golds"]) - np.array(first["golds"])
        low, high = prompt_interval(gains, np.ones(len(gains)), last["prompts"], seed)
        found |= {"gold_before": first["gold"], "gold_after": last["gold"], "gain_ci95": [low, high]}
    return found
