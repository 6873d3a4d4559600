"""Adaptation: supervised fine-tuning of a low-rank adapter on a few examples, the model itself frozen (LoRA)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from cygnet.model.adapter_folder import save_adapter
from cygnet.model.lora import Adapter
from cygnet.model.transformer import Transformer
from cygnet.stages.clamped import open_base, put_adapter
from cygnet.stages.config import REFERENCE_BATCH, AdaptConfig
from cygnet.stages.sft import FineTuning
from cygnet.tokens.chat import Rendered
from cygnet.tokens.packing import Rows
from cygnet.tokens.tokenizer import Tokenizer
from cygnet.training.loop import Plan, fit
from cygnet.training.metrics import Metrics
from cygnet.training.optimizers import adamw
from cygnet.training.rates import scaled_lr
from cygnet.training.work import Work

_PLACES = 2048  # of rows that go through the model together: what is remembered of them is most of the memory
_ENOUGH = 8  # held-out examples whose loss says which adapter to keep


def adapt(base: Path, examples: Path, out: Path, config: AdaptConfig, work: Work) -> dict[str, Any]:
    """Train an adapter for the model folder `base` on examples/train.jsonl and write it to `out`.

    A row has messages, or prompt and completion; only what the assistant says, or the completion, is learned. With at
    least 8 rows in validation.jsonl the adapter with the lowest held-out loss is kept, otherwise the last one.

    Returns the stage's metrics, in the first process. Raises UserError for rows that can't be learned, and layers the
    model doesn't have.
    """
    model, tokenizer = open_base(base, config, work)
    model.compute_dtype = getattr(torch, config.precision)
    with torch.device("meta"):
        parameters = sum(parameter.numel() for parameter in Transformer(model.config).parameters())
    adapter = put_adapter(model, config, work)
    train, heldout = examples / "train.jsonl", examples / "validation.jsonl"
    stage = Adapting(model, adapter, tokenizer, train, heldout if heldout.exists() else None, config, work)
    lr = scaled_lr(config.lr, batch=config.rows_per_step, reference_batch=REFERENCE_BATCH, width=model.config.width)
    plan = Plan(stage.steps, "linear", config.warmup, clip=1.0, checkpoint_every=max(20, stage.steps // 10))
    metrics = fit(adapter, [adamw(adapter.parameters(), lr)], stage, plan, work)
    if not work.world.first:
        return {}
    kept = stage.take_best()
    save_adapter(out, adapter, base)
    return {
        "examples": stage.conversations,
        "steps": stage.steps,
        "tokens_read": stage.tokens_read,
        "training_seconds": metrics.history("step")[-1]["seconds"],
        "parameters": adapter.size,
        "share_of_parameters": adapter.size / parameters,
        **kept,
    }


class Adapting(FineTuning):
    """Fine-tuning whose model is frozen but for an adapter, in rows no longer than the longest example."""

    name = "adapt"

    def __init__(
        self,
        model: Transformer,
        adapter: Adapter,
        tokenizer: Tokenizer,
        train: Path,
        heldout: Path | None,
        config: AdaptConfig,
        work: Work,
    ) -> None:
        super().__init__(model, tokenizer, train, heldout, config, work)
        self._adapter = adapter
        self.steps = max(config.least_updates, round(config.epochs * len(self._rows) / config.rows_per_step))
        tokens = sum(len(item.ids) for item in self._data)
        self.tokens_read = round(self.steps * config.rows_per_step / len(self._rows) * tokens)
        self._best: dict[str, Any] = {}  # held-out loss, step, and the adapter's state then

    def micro_batches(self, step: int) -> Sequence[Rows]:
        """The rows of one update, few at a time where they are long."""
        together = max(1, _PLACES // self._length)
        return [
            Rows(*part)
            for whole in super().micro_batches(step)
            for part in zip(*(torch.split(tensor, together) for tensor in whole), strict=True)
        ]

    def evaluate(self, step: int, metrics: Metrics) -> dict[str, Any]:
        """What `FineTuning` measures; the best adapter so far is remembered."""
        values = super().evaluate(step, metrics)
        loss = values["heldout_loss"]
        if len(self._heldout) >= _ENOUGH and loss < self._best.get("heldout_loss", math.inf):
            state = {name: tensor.clone() for name, tensor in self._adapter.state_dict().items()}
            self._best = {"heldout_loss": loss, "kept_step": step, "adapter": state}
        return values

    def take_best(self) -> dict[str, Any]:
        """Put the best adapter back, if held-out examples told one; its held-out loss and step."""
        if not self._best:
            return {}
        self._adapter.load_state_dict(self._best["adapter"])
        return {name: value for name, value in self._best.items() if name != "adapter"}

    def state_dict(self) -> dict[str, Any]:
        """The best adapter so far."""
        return self._best

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up again what `state_dict` gave."""
        self._best = state

    def _row_length(self, data: list[Rendered]) -> int:
        return max(len(item.ids) for item in data) - 1
