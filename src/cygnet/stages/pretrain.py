"""Pretraining: predict the next token of packed documents."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cygnet.errors import UserError
from cygnet.generation import Engine, Sampling
from cygnet.model.config import ModelConfig
from cygnet.model.folder import save_model
from cygnet.model.transformer import Transformer
from cygnet.stages.config import REFERENCE_BATCH, PretrainConfig
from cygnet.stages.held_out import bits_by_source, token_nats
from cygnet.tokens.packing import Rows, collate, cut, pack
from cygnet.tokens.shards import Split, open_split
from cygnet.tokens.tokenizer import Tokenizer
from cygnet.training.compiling import by_layers, compile_layers, compiled, repaid
from cygnet.training.distribution import agreeing, spread, usable_by_all, whole_model
from cygnet.training.loop import Loss, Plan, fit
from cygnet.training.metrics import Metrics
from cygnet.training.optimizers import muon_and_adamw
from cygnet.training.rates import scaled_lr
from cygnet.training.shares import at_once, parts
from cygnet.training.work import Work

_SAMPLE_PROMPTS = ("def ", "Q: What is 47 + 35?\nA:", "The ")


def pretrain(tokens: Path, tokenizer_folder: Path, out: Path, config: PretrainConfig, work: Work) -> dict[str, Any]:
    """Train a model from nothing on `tokens` for one pass and write it to `out`.

    Returns the stage's metrics, in the first process.
    """
    tokenizer = Tokenizer.load(tokenizer_folder)
    shape = ModelConfig.from_depth(config.depth, tokenizer.vocab_size, config.context_length)
    torch.manual_seed(work.seed)
    model = _model(shape, config)
    spread(model, work)
    stage = Pretraining(
        model,
        tokenizer,
        open_split(tokens, "train", tokenizer.hash),
        open_split(tokens, "validation", tokenizer.hash),
        config,
        work,
    )
    batch = {"batch": config.rows_per_step, "reference_batch": REFERENCE_BATCH}
    other_lr = scaled_lr(config.other_lr, **batch, width=model.config.width)
    optimizers = muon_and_adamw(model, scaled_lr(config.matrix_lr, **batch), other_lr, work.world)
    plan = Plan(
        stage.steps, "warmup-stable-decay", config.warmup, checkpoint_every=max(50, stage.steps // 20), together=True
    )
    metrics = fit(model, optimizers, stage, plan, work)
    split = open_split(tokens, "test", tokenizer.hash)
    test = heldout_batches(split, config.context_length, tokenizer, rows=None, together=at_once(work))
    with usable_by_all(model):
        bits, by_source = bits_by_source(model, test, tokenizer, work.world)
    model = whole_model(model, lambda: _model(shape, config), work.world)
    if not work.world.first:
        return {}
    save_model(out, model, tokenizer)
    steps = metrics.history("step")
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "tokens": stage.tokens,
        "tokens_left_over": stage.tokens_left_over,
        "steps": stage.steps,
        "tokens_per_second": round(stage.tokens / steps[-1]["seconds"]),
        "train_loss": steps[-1]["loss"],
        "heldout_bits_per_byte": bits,
        "heldout_bits_per_byte_by_source": by_source,
    }


def _model(shape: ModelConfig, config: PretrainConfig) -> Transformer:
    model = Transformer(shape)
    model.compute_dtype = getattr(torch, config.precision)
    return model


class Pretraining:
    """Batches of packed rows in the mixture's order; the cursor is the step itself."""

    name = "pretrain"
    counts = "tokens"

    def __init__(
        self, model: Transformer, tokenizer: Tokenizer, train: Split, heldout: Split, config: PretrainConfig, work: Work
    ) -> None:
        self._model, self._tokenizer, self._config, self._work = model, tokenizer, config, work
        self._pieces = pieces(train, range(len(train)), config.context_length)
        self._rows = pack([len(piece) for piece in self._pieces], config.context_length)
        self.steps = len(self._rows) // config.rows_per_step
        if self.steps == 0:
            raise UserError(
                f"the training tokens fill {len(self._rows)} rows but one update needs {config.rows_per_step}: "
                "add text or lower pretrain.rows_per_step."
            )
        self.tokens = self._predicted(self._rows[: self.steps * config.rows_per_step])
        self.tokens_left_over = self._predicted(self._rows[self.steps * config.rows_per_step :])
        self._heldout = heldout_batches(
            heldout, config.context_length, tokenizer, config.heldout_rows, together=at_once(work)
        )
        self._due = {round(self.steps * i / config.evaluations) for i in range(config.evaluations + 1)}
        self._token_nats = token_nats
        if config.compile == "long" and repaid(model, self.tokens):
            if by_layers(work):
                compile_layers(model, work)
            else:
                self._token_nats = compiled(token_nats)

    def micro_batches(self, step: int) -> Sequence[Rows]:
        """The rows of one update. A part without rows is one of padding."""
        size = self._config.rows_per_step
        members = [[self._pieces[i] for i in row] for row in self._rows[step * size : (step + 1) * size]]
        length, pad_id = self._config.context_length, self._tokenizer.pad_id
        return [collate(part or [[]], None, length, pad_id) for part in parts(members, self._work)]

    def loss(self, batch: Rows) -> Loss:
        """Cross-entropy in nats, summed over predicted tokens."""
        nats = (self._token_nats(self._model, batch) * batch.weights).sum()
        return Loss(nats, batch.weights.sum(), {})

    def due(self, step: int) -> bool:
        """At the start, at the end and so often in between."""
        return step in self._due

    def after(self, step: int, metrics: Metrics) -> None:
        """Score held-out documents, each process its share, and write samples, all the same."""
        bits, by_source = bits_by_source(self._model, self._heldout, self._tokenizer, self._work.world)
        metrics.log("eval", step, heldout_bits_per_byte=bits, by_source=by_source)
        engine = Engine(self._model, self._tokenizer)
        prompts = [[self._tokenizer.bos_id, *self._tokenizer.encode(prompt, begins=True)] for prompt in _SAMPLE_PROMPTS]
        with agreeing(self._model):
            samples = engine.generate(prompts, Sampling(temperature=0.7, max_new_tokens=48))
        for prompt, completions in zip(_SAMPLE_PROMPTS, samples, strict=True):
            metrics.log("sample", step, prompt=prompt, text=self._tokenizer.decode(completions[0].tokens))

    def state_dict(self) -> dict[str, Any]:
        """Nothing: batches depend on the step alone."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to take up."""

    def _predicted(self, rows: Sequence[Sequence[int]]) -> int:
        """Tokens that these rows predict."""
        return sum(len(self._pieces[i]) - 1 for row in rows for i in row)


def pieces(split: Split, documents: Sequence[int], row_length: int) -> list[np.ndarray]:
    """Documents cut to pieces that fit a row."""
    found = []
    for index in documents:
        document = split.document(index)
        found += [document[start:end] for start, end in cut(len(document), row_length) if end - start > 1]
    return found


def heldout_batches(
    split: Split, row_length: int, tokenizer: Tokenizer, rows: int | None, together: int = 16
) -> dict[str, list[Rows]]:
    """Packed rows of each source's held-out documents, at most `rows` in all, shared evenly; so many in a batch."""
    names = split.source_names
    batches = {}
    for number, name in enumerate(names):
        members = pieces(split, [int(i) for i in np.flatnonzero(split.sources == number)], row_length)
        packed = pack([len(piece) for piece in members], row_length)[
            : None if rows is None else max(1, rows // len(names))
        ]
        starts = range(0, len(packed), together)
        groups = [[[members[i] for i in row] for row in packed[start : start + together]] for start in starts]
        if groups:
            batches[name] = [collate(group, None, row_length, tokenizer.pad_id) for group in groups]
    if not batches:
        raise UserError("there are no held-out documents to score: the corpus is too small to hold any out.")
    return batches


def heldout_bytes(tokens: Path, tokenizer_folder: Path) -> bytes:
    """The text of the test split: the bytes that held-out bits per byte are about."""
    tokenizer = Tokenizer.load(tokenizer_folder)
    split = open_split(tokens, "test", tokenizer.hash)
    return b"\n".join(tokenizer.decode_bytes(split.document(i)[1:-1].tolist(), begins=True) for i in range(len(split)))
