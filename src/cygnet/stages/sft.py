"""Supervised fine-tuning: next-token prediction on the assistant's tokens of packed conversations."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from cygnet.errors import UserError
from cygnet.files import read_jsonl
from cygnet.model.adapter_folder import save_adapter
from cygnet.model.folder import load_language_model, save_model
from cygnet.model.lora import Adapter
from cygnet.model.transformer import Transformer
from cygnet.stages.accuracy import read_exercises, task_accuracy
from cygnet.stages.clamped import adapter_optimizers, open_base, put_adapter
from cygnet.stages.config import REFERENCE_BATCH, AdaptConfig, SftConfig
from cygnet.stages.held_out import token_nats
from cygnet.stages.predictions import find_room, nats_of
from cygnet.tokens.chat import Rendered, read_messages, render
from cygnet.tokens.packing import Rows, collate, pack, row_length
from cygnet.tokens.tokenizer import Tokenizer
from cygnet.training.compiling import by_layers, compile_layers, compiled, repaid
from cygnet.training.distribution import on_device, spread, whole_model
from cygnet.training.loop import Loss, Plan, fit
from cygnet.training.metrics import Metrics
from cygnet.training.optimizers import adamw, muon_and_adamw
from cygnet.training.order import visits
from cygnet.training.rates import scaled_lr
from cygnet.training.shares import at_once, parts
from cygnet.training.work import Work


def sft(base: Path, conversations: Path, out: Path, config: SftConfig, work: Work) -> dict[str, Any]:
    """Fine-tune `base` on conversations/train.jsonl and write the model to `out`, or an adapter for it if one is set.

    Returns the stage's metrics, in the first process. validation.jsonl gives the held-out loss, and the accuracy on
    those of its rows that carry an exercise.

    Raises:
        UserError: for malformed rows, conversations longer than the context, or ones without the assistant's words.
    """
    adapted = config.adapter.rank > 0
    model, tokenizer = open_base(base, config.adapter, work) if adapted else load_language_model(base)
    model.compute_dtype = getattr(torch, config.precision)
    adapter = put_adapter(model, config.adapter, work) if adapted else None
    if adapter is None:
        spread(model, work)
    train, heldout = conversations / "train.jsonl", conversations / "validation.jsonl"
    stage = FineTuning(model, tokenizer, train, heldout if heldout.exists() else None, config, work)
    optimizers = _optimizers(model, adapter, config, work)
    clip = 0.0 if adapter is None and model.config.on_dial else 1.0
    plan = Plan(stage.steps, "linear", config.warmup, clip, checkpoint_every=max(20, stage.steps // 10))
    metrics = fit(model if adapter is None else adapter, optimizers, stage, plan, work)
    if adapter is None:
        model = whole_model(model, lambda: Transformer(model.config), work.world)
    if not work.world.first:
        return {}
    if adapter is not None:
        save_adapter(out, adapter, base)
    else:
        save_model(out, model, tokenizer)
    last = metrics.history("eval")[-1] if metrics.history("eval") else {}
    return {
        "conversations": stage.conversations,
        "steps": stage.steps,
        **{key: value for key, value in last.items() if key not in ("event", "step")},
    }


def _optimizers(model: Transformer, adapter: Adapter | None, config: SftConfig, work: Work) -> list[Optimizer]:
    """For an adapter AdamW. For all of a model, those that it was pretrained with: models from elsewhere had AdamW, and
    forget with Muon (benchmarks/imported_rates.py), which is no better for them (Liu et al. 2025, arXiv 2502.16982).

    Raises UserError for rates that would not be used.
    """
    scaled = partial(scaled_lr, batch=config.rows_per_step, reference_batch=REFERENCE_BATCH)
    width, own = model.config.width, model.config.on_dial
    used = ("other_lr",) if adapter is not None else ("matrix_lr", "other_lr") if own else ("imported_lr",)
    rates = {name: SftConfig.model_fields[name].default for name in ("matrix_lr", "other_lr", "imported_lr")}
    if idle := [name for name, usual in rates.items() if name not in used and getattr(config, name) != usual]:
        learns = "an adapter" if adapter is not None else f"a model that was {'' if own else 'not '}pretrained here"
        raise UserError(f"{' and '.join(idle)}: no effect on {learns}, which learns at {' and '.join(used)}.")
    if adapter is not None:
        return adapter_optimizers(adapter, scaled(config.other_lr, width=width), config.adapter)
    if own:
        return muon_and_adamw(model, scaled(config.matrix_lr), scaled(config.other_lr, width=width), work.world)
    return [adamw(model.parameters(), scaled(config.imported_lr, width=width))]


class FineTuning:
    """Packed conversations; rows are shuffled anew each epoch from the seed, so the cursor is the step itself."""

    name = "sft"
    counts = "tokens"

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        train: Path,
        heldout: Path | None,
        config: SftConfig | AdaptConfig,
        work: Work,
    ) -> None:
        self._model, self._tokenizer, self._config, self._work = model, tokenizer, config, work
        context = model.config.context_length
        self._data = read_conversations(train, tokenizer, context)
        self._length = self._row_length(self._data)  # throughout, since what is compiled is for one shape
        self._rows = pack([len(item.ids) for item in self._data], self._length)
        self.conversations = len(self._data)
        self.steps = max(1, round(config.epochs * len(self._rows) / config.rows_per_step))
        self._heldout = read_conversations(heldout, tokenizer, context) if heldout else []
        self._exercises = read_exercises(heldout) if heldout else []
        self._quick = None
        if self._long() and by_layers(work):
            compile_layers(model, work)
        elif self._long() and self._find_room():
            self._quick = compiled(token_nats)

    def _long(self) -> bool:
        """Whether compiling pays."""
        config = self._config
        if not isinstance(config, SftConfig) or config.compile == "never" or config.adapter.rank:
            return False
        return repaid(self._model, self.steps * config.rows_per_step * self._length)

    def _find_room(self) -> bool:
        """Whether the loss of all places can be compiled, as in pretraining, so that after it there is little left to
        do: for large vocabularies that makes too many logits."""
        config, work = self._config, self._work
        rows = min(config.rows_per_step, work.rows_at_once or config.rows_per_step)
        return find_room(rows * self._length, self._model.config.vocab_size, next(self._model.parameters()).device)

    def micro_batches(self, step: int) -> Sequence[Rows]:
        """The rows of one update. A part without rows is one of padding."""
        size = self._config.rows_per_step
        rows = [self._rows[i] for i in visits(len(self._rows), step * size, size, self._work.seed)]
        return [self._collate(part or [[]], self._data, self._length) for part in parts(rows, self._work)]

    def loss(self, batch: Rows) -> Loss:
        """Cross-entropy in nats, summed over the assistant's tokens; if not compiled, no others have logits made."""
        if self._quick is not None and torch.is_grad_enabled():
            return Loss((self._quick(self._model, batch) * batch.weights).sum(), batch.weights.sum(), {})
        learned = batch.weights.flatten().nonzero()[:, 0]  # before a GPU has much to do, for this is waited for
        features = self._model.features(batch.tokens, batch.positions, batch.mask).flatten(0, 1)[learned]
        return Loss(nats_of(self._model, features, batch.targets.flatten()[learned]).sum(), float(len(learned)), {})

    def due(self, step: int) -> bool:
        """At the start, at the end and so often in between, if there is anything held out."""
        due = {round(self.steps * i / self._config.evaluations) for i in range(self._config.evaluations + 1)}
        return step in due and bool(self._heldout)

    def after(self, step: int, metrics: Metrics) -> None:
        """Evaluate."""
        metrics.log("eval", step, **self.evaluate(step, metrics))

    def evaluate(self, step: int, metrics: Metrics) -> dict[str, Any]:
        """Held-out loss; where there are exercises, accuracy by family, and samples, which are logged."""
        values: dict[str, Any] = {"heldout_loss": self._heldout_loss()}
        if self._exercises:
            result = task_accuracy(self._model, self._tokenizer, self._exercises)
            values |= {"heldout_task_accuracy": result.accuracy, "by_family": result.by_family}
            for prompt, text in result.samples:
                metrics.log("sample", step, prompt=prompt, text=text)
        return values

    def state_dict(self) -> dict[str, Any]:
        """Nothing: batches depend on the step alone."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to take up."""

    def _row_length(self, data: list[Rendered]) -> int:
        """Places of the rows in which these conversations are packed."""
        return row_length(max(len(item.ids) for item in data) - 1, self._model.config.context_length)

    def _collate(self, rows: Sequence[list[int]], data: list[Rendered], length: int) -> Rows:
        sequences = [[data[i].ids for i in row] for row in rows]
        weights = [[[float(mine) for mine in data[i].mask] for i in row] for row in rows]
        return collate(sequences, weights, length, self._tokenizer.pad_id)

    @torch.no_grad()
    def _heldout_loss(self) -> float:
        length, together = self._row_length(self._heldout), at_once(self._work)
        rows = pack([len(item.ids) for item in self._heldout], length)
        nats = count = 0.0
        for start in range(0, len(rows), together):
            batch = self._collate(rows[start : start + together], self._heldout, length)
            loss = self.loss(on_device(batch, self._work.world.device))
            nats, count = nats + loss.total.item(), count + float(loss.count)
        return nats / count


def read_conversations(path: Path, tokenizer: Tokenizer, context_length: int) -> list[Rendered]:
    """Render every row's messages, or its prompt and completion, which are texts and no conversation.

    Raises UserError naming the row that has neither, is too long or has no answer.
    """
    rendered = []
    for number, row in enumerate(read_jsonl(path), 1):
        try:
            item = _rendered(row, tokenizer)
        except UserError as error:
            raise UserError(f"{path}, row {number}: {error}") from error
        if not any(item.mask):
            raise UserError(f"{path}, row {number}: the assistant says nothing, so there is nothing to learn.")
        if len(item.ids) > context_length + 1:
            raise UserError(
                f"{path}, row {number}: {len(item.ids)} tokens, but the model reads {context_length}. "
                "Shorten it, or pretrain with a longer context_length."
            )
        rendered.append(item)
    return rendered


def _rendered(row: Mapping[str, Any], tokenizer: Tokenizer) -> Rendered:
    if "messages" in row:
        return render(read_messages(row["messages"]), tokenizer)
    prompt, completion = row.get("prompt"), row.get("completion")
    if not isinstance(prompt, str) or not isinstance(completion, str):
        raise UserError(
            'expected {"messages": [...]}, or {"prompt": text, "completion": text}; '
            f"found the keys {', '.join(row) or 'nothing'}."
        )
    before, own = tokenizer.begin(prompt), tokenizer.encode(completion)
    answer = [*own, tokenizer.end_id] if own else []
    return Rendered(before + answer, [False] * len(before) + [True] * len(answer))
