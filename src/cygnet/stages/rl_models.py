"""The models of reinforcement learning: four whole ones, or adapters on what is then in memory only once."""

from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

from torch import nn
from torch.optim import Optimizer

from cygnet.model.adapter_folder import base_of, load_adapter, save_adapter
from cygnet.model.folder import (
    load_clamped_scalar_model,
    load_language_model,
    load_scalar_model,
    save_model,
    scalar_from,
    scalar_on,
)
from cygnet.model.kind import is_adapter
from cygnet.model.lora import Adapter, twin
from cygnet.model.transformer import ScalarModel, Transformer
from cygnet.stages.clamped import adapter_optimizers, open_base, put_adapter
from cygnet.stages.config import REFERENCE_ROLLOUTS, AdapterConfig, RlConfig
from cygnet.stages.rollouts import Learner
from cygnet.tokens.tokenizer import Tokenizer
from cygnet.training.distribution import spread, whole_model
from cygnet.training.optimizers import adamw
from cygnet.training.rates import scaled_lr
from cygnet.training.work import Work
from cygnet.training.world import World

_ADAM_EPS = 1e-5  # as in the PPO implementations that reproduce Ziegler et al. 2019


class Models(NamedTuple):
    """Policy and critic, what they started from, and what of them learns: `trained` by `optimizers`.

    adapter: what learns of the policy, if that is not all of it.
    """

    policy: Transformer
    critic: ScalarModel
    reference: Transformer
    reward_model: ScalarModel
    tokenizer: Tokenizer
    trained: nn.Module
    optimizers: list[Optimizer]
    adapter: Adapter | None

    def save(self, out: Path, sft: Path, world: World) -> None:
        """Let the first process write the policy, or its adapter for `sft`; all of them call this."""
        policy = whole_model(self.policy, lambda: Transformer(self.policy.config), world)
        if not world.first:
            return
        if self.adapter is None:
            save_model(out, policy, self.tokenizer)
        else:
            save_adapter(out, self.adapter, sft)


def open_models(sft: Path, reward: Path, config: RlConfig, work: Work) -> Models:
    """The models by their folders, on this process's device. Raises UserError for folders that can't be opened."""
    return _adapted(sft, reward, config, work) if config.adapter.rank else _whole(sft, reward, config, work)


def _whole(sft: Path, reward: Path, config: RlConfig, work: Work) -> Models:
    """Of what learns each process may have a part only; reference and reward model are whole in all of them."""
    policy, tokenizer = load_language_model(sft)
    reward_model, _ = load_scalar_model(reward)
    reference, critic = deepcopy(policy).to(work.world.device), scalar_from(reward_model)
    reward_model.to(work.world.device)
    for model in (policy, critic):
        spread(model, work)
    optimizers: list[Optimizer] = [
        adamw(model.parameters(), _lr(lr, model.config.width, config), eps=_ADAM_EPS)
        for model, lr in ((policy, config.lr), (critic, config.critic_lr))
    ]
    return Models(policy, critic, reference, reward_model, tokenizer, Learner(policy, critic), optimizers, None)


def _adapted(sft: Path, reward: Path, config: RlConfig, work: Work) -> Models:
    """The reference is the policy without its adapter, and the reward model the critic without its own."""
    reference, tokenizer = open_base(sft, config.adapter, work)
    reward_model = _reward_model(reward, sft, reference, config.adapter).to(work.world.device)
    policy, critic = twin(reference), twin(reward_model)
    adapters = [put_adapter(model, config.adapter, work, work.seed + i) for i, model in enumerate((policy, critic))]
    optimizers = [
        optimizer
        for adapter, model, lr in zip(adapters, (policy, critic), (config.lr, config.critic_lr), strict=True)
        for optimizer in adapter_optimizers(adapter, _lr(lr, model.config.width, config), config.adapter, _ADAM_EPS)
    ]
    trained = nn.ModuleDict(dict(zip(("policy", "critic"), adapters, strict=True)))
    return Models(policy, critic, reference, reward_model, tokenizer, trained, optimizers, adapters[0])


def _reward_model(folder: Path, sft: Path, base: Transformer, config: AdapterConfig) -> ScalarModel:
    """On the same base as the policy, if it is an adapter for that."""
    if not is_adapter(folder) or base_of(folder).resolve() != sft.resolve():
        return load_clamped_scalar_model(folder, config.base_precision)
    model = scalar_on(twin(base))
    load_adapter(folder, model)
    return model.requires_grad_(False)


def _lr(lr: float, width: int, config: RlConfig) -> float:
    batch = config.rollouts // config.minibatches
    return scaled_lr(lr, batch=batch, reference_batch=REFERENCE_ROLLOUTS, width=width)
