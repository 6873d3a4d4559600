"""What the stages have in common where an adapter learns and its base stays as it is."""

from pathlib import Path

from torch.optim import Optimizer

from cygnet.errors import UserError
from cygnet.model.folder import load_clamped_language_model
from cygnet.model.lora import Adapter, LoraShape, attach
from cygnet.model.transformer import Backbone, Transformer
from cygnet.stages.config import AdapterConfig, LowRankConfig
from cygnet.tokens.tokenizer import Tokenizer
from cygnet.training.distribution import spread
from cygnet.training.optimizers import adamw
from cygnet.training.work import Work


def open_base(folder: Path, config: LowRankConfig, work: Work) -> tuple[Transformer, Tokenizer]:
    """The model that an adapter is for, which stays as it is; each process has all of it, on its device.

    Raises UserError when it can't be opened, is an adapter itself, or should be sharded.
    """
    if work.sharding != "none":
        raise UserError("the base of an adapter is not sharded: leave sharding out, or let the whole model learn.")
    model, tokenizer = load_clamped_language_model(folder, config.base_precision)
    return model.to(work.world.device), tokenizer


def put_adapter(model: Backbone, config: LowRankConfig, work: Work, seed: int | None = None) -> Adapter:
    """A new adapter on a model, on this process's device. The seed, by default the stage's, draws its start."""
    spread(model, work)
    return attach(model, LoraShape(config.rank, config.alpha, config.targets), work.seed if seed is None else seed)


def adapter_optimizers(adapter: Adapter, lr: float, config: AdapterConfig, eps: float = 1e-8) -> list[Optimizer]:
    """AdamW at a stage's rate for a head; for changes, which are products of two, so much faster as is set."""
    heads = [] if adapter.head is None else [adamw(adapter.head.parameters(), lr, eps)]
    return [adamw(adapter.changes.parameters(), lr * config.lr_factor, eps), *heads]
