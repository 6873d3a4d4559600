"""The reward model: K-wise Bradley–Terry on ranked answers, a prompt's answers in one batch (Ouyang et al. 2022)."""

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cygnet.errors import UserError
from cygnet.model.adapter_folder import save_adapter
from cygnet.model.folder import load_language_model, save_model, scalar_from, scalar_on
from cygnet.model.transformer import ScalarModel
from cygnet.stages.clamped import adapter_optimizers, open_base, put_adapter
from cygnet.stages.config import REFERENCE_BATCH, RewardConfig
from cygnet.stages.intervals import prompt_interval
from cygnet.stages.ranked_answers import Comparison, read_comparisons
from cygnet.tokens.packing import Rows, collate, pack, row_length
from cygnet.tokens.tokenizer import Tokenizer
from cygnet.training.distribution import on_device, spread, whole_model
from cygnet.training.loop import Loss, Plan, fit
from cygnet.training.metrics import Metrics
from cygnet.training.optimizers import adamw
from cygnet.training.order import visits
from cygnet.training.rates import scaled_lr
from cygnet.training.shares import parts
from cygnet.training.work import Work

_MARGINS = (0.0, 0.05, 0.1, 0.2, 0.4, math.inf)


class ComparisonBatch(NamedTuple):
    """Packed answers of several prompts, and for each prompt which of them are its own."""

    rows: Rows
    order: list[int]
    groups: list[Comparison]


def train_reward(sft: Path, comparisons: Path, out: Path, config: RewardConfig, work: Work) -> dict[str, Any]:
    """Train a scalar model from `sft` on comparisons/train.jsonl and write it, or an adapter for `sft`, to `out`.

    Returns the stage's metrics, in the first process.
    heldout.jsonl gives the accuracy on pairs of answers, with a 95 % interval by bootstrap over prompts. The mean and
    deviation of the scores of the SFT model's own answers are stored in the model.

    Raises:
        UserError: for malformed rows, comparisons in which everything ties, or a model that tells no answers apart.
    """
    adapted = config.adapter.rank > 0
    language_model, tokenizer = open_base(sft, config.adapter, work) if adapted else load_language_model(sft)
    torch.manual_seed(work.seed)
    model = scalar_on(language_model) if adapted else scalar_from(language_model)
    adapter = put_adapter(model, config.adapter, work) if adapted else None
    if adapter is None:
        spread(model, work)
    length = model.config.context_length
    train = read_comparisons(comparisons / "train.jsonl", tokenizer, length)
    heldout_path = comparisons / "heldout.jsonl"
    heldout = read_comparisons(heldout_path, tokenizer, length) if heldout_path.exists() else []
    stage = RewardModeling(model, tokenizer, train, heldout, config, work)
    plan = Plan(stage.steps, "linear", config.warmup, clip=1.0, checkpoint_every=max(20, stage.steps // 5))
    lr = scaled_lr(config.lr, batch=config.prompts_per_step, reference_batch=REFERENCE_BATCH, width=model.config.width)
    if adapter is not None:
        metrics = fit(adapter, adapter_optimizers(adapter, lr, config.adapter), stage, plan, work)
    else:
        metrics = fit(model, [adamw(model.parameters(), lr)], stage, plan, work)
        model = whole_model(model, lambda: scalar_from(language_model), work.world)
    if not work.world.first:
        return {}
    scores = torch.cat([score_sequences(model, tokenizer, item.sequences) for item in train[:500]])
    model.mean, model.scale = float(scores.mean()), float(scores.std())
    if not model.scale > 0:
        raise UserError("reward: every answer has the same score: nothing was learned. Give more comparisons.")
    if adapter is not None:
        save_adapter(out, adapter, sft, (model.mean, model.scale))
    else:
        save_model(out, model, tokenizer)
    last = metrics.history("eval")[-1] if metrics.history("eval") else {}
    return {
        "comparisons": sum(int(better_pairs(item.ranks).sum()) for item in train),
        "mean": model.mean,
        "scale": model.scale,
        **{key: value for key, value in last.items() if key not in ("event", "step")},
    }


class RewardModeling:
    """Batches of whole prompts: a prompt's answers are never split over updates, nor over training and held-out."""

    name = "reward"
    counts = "prompts"

    def __init__(
        self,
        model: ScalarModel,
        tokenizer: Tokenizer,
        train: list[Comparison],
        heldout: list[Comparison],
        config: RewardConfig,
        work: Work,
    ) -> None:
        self._model, self._tokenizer, self._config, self._work = model, tokenizer, config, work
        self._train = [item for item in train if better_pairs(item.ranks).any()]
        if not self._train:
            raise UserError("every comparison is a tie: there is nothing for a reward model to learn.")
        self._heldout = [item for item in heldout if better_pairs(item.ranks).any()]
        self.steps = max(1, round(config.epochs * len(self._train) / config.prompts_per_step))

    def micro_batches(self, step: int) -> Sequence[ComparisonBatch]:
        """The prompts of one update."""
        size = self._config.prompts_per_step
        groups = [self._train[i] for i in visits(len(self._train), step * size, size, self._work.seed)]
        context, pad_id = self._model.config.context_length, self._tokenizer.pad_id
        return [batch_comparisons(part, context, pad_id) for part in parts(groups, self._work)]

    def loss(self, batch: ComparisonBatch) -> Loss:
        """Sum over prompts of each prompt's mean pair loss."""
        scores = last_scores(self._model, batch.rows, batch.order).cpu()  # few, and all that follows is small
        if not batch.groups:
            return Loss(scores.sum() * 0, 0.0, {"accuracy": 0.0})
        apart = torch.split(scores, [len(group.sequences) for group in batch.groups])
        losses = [ranking_loss(part, group.ranks) for part, group in zip(apart, batch.groups, strict=True)]
        right = sum(pair_accuracy(part.detach(), group.ranks) for part, group in zip(apart, batch.groups, strict=True))
        return Loss(torch.stack(losses).sum(), float(len(losses)), {"accuracy": right})

    def due(self, step: int) -> bool:
        """At the start and the end, if there is anything held out."""
        return bool(self._heldout) and step in (0, self.steps)

    def after(self, step: int, metrics: Metrics) -> None:
        """Held-out accuracy."""
        metrics.log("eval", step, **heldout_accuracy(self._model, self._tokenizer, self._heldout, self._work.seed))

    def state_dict(self) -> dict[str, Any]:
        """Nothing: batches depend on the step alone."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to take up."""


def better_pairs(ranks: Sequence[float]) -> Tensor:
    """[K, K] True where the row's answer is ranked better than the column's; ties are False both ways."""
    values = torch.tensor(ranks)
    return values[:, None] < values[None, :]


def ranking_loss(scores: Tensor, ranks: Sequence[float]) -> Tensor:
    """Mean of -log σ(r_better - r_worse) over the ordered pairs of [K] scores (Ouyang et al. 2022, eq. 1)."""
    return -F.logsigmoid(_differences(scores, ranks)).mean()


def pair_accuracy(scores: Tensor, ranks: Sequence[float]) -> float:
    """Share of ordered pairs whose better answer scores higher; equal scores are half right."""
    return float(_right(_differences(scores, ranks)).mean())


def batch_comparisons(groups: Sequence[Comparison], context_length: int, pad_id: int) -> ComparisonBatch:
    """Pack all answers of some prompts; `order` maps packed order back to the groups' order.

    Of no prompts there is one answer all the same, so that there is something to go through the model.
    """
    sequences = [sequence for group in groups for sequence in group.sequences] or [[pad_id]]
    rows, order = pack_whole(sequences, context_length, pad_id)
    return ComparisonBatch(rows, order, list(groups))


def pack_whole(sequences: Sequence[list[int]], context_length: int, pad_id: int) -> tuple[Rows, list[int]]:
    """Pack sequences so that their last token has a place too; that place, and only it, has weight 1.

    Returns the rows and, for each weighted place in row order, which sequence ends there.
    """
    ended = [[*sequence, pad_id] for sequence in sequences]
    length = row_length(max(len(sequence) for sequence in sequences), context_length)
    packed = pack([len(sequence) for sequence in ended], length)
    weights = [[[0.0] * (len(ended[i]) - 1) + [1.0] for i in row] for row in packed]
    rows = collate([[ended[i] for i in row] for row in packed], weights, length, pad_id)
    return rows, [i for row in packed for i in row]


def last_scores(model: ScalarModel, rows: Rows, order: Sequence[int]) -> Tensor:
    """Raw score at each sequence's last token, in the sequences' own order."""
    ends = rows.weights.flatten().nonzero()[:, 0]  # before a GPU has much to do, for this is waited for
    ends = ends[torch.tensor(order).argsort().to(ends.device)]
    scores: Tensor = model(rows.tokens, rows.positions, rows.mask)
    return scores.flatten()[ends]


@torch.no_grad()
def score_sequences(
    model: ScalarModel, tokenizer: Tokenizer, sequences: Sequence[list[int]], together: int = 256
) -> Tensor:
    """Raw scores of whole sequences (prompt and answer), packed so many at a time.

    Raises UserError when one is longer than the model reads.
    """
    longest, context = max(len(sequence) for sequence in sequences), model.config.context_length
    if longest > context:
        raise UserError(f"an answer with its prompt has {longest} tokens, but the reward model reads {context}.")
    parts = []
    for start in range(0, len(sequences), together):
        rows, order = pack_whole(sequences[start : start + together], context, tokenizer.pad_id)
        parts.append(last_scores(model, on_device(rows, next(model.parameters()).device), order).cpu())
    return torch.cat(parts)


def heldout_accuracy(
    model: ScalarModel, tokenizer: Tokenizer, heldout: Sequence[Comparison], seed: int
) -> dict[str, Any]:
    """Accuracy over held-out pairs, its 95 % interval (prompts, not pairs, are resampled), and accuracy by margin.

    Every comparison must have a pair that doesn't tie.
    """
    scores = [score_sequences(model, tokenizer, item.sequences) for item in heldout]
    pairs = np.array([int(better_pairs(item.ranks).sum()) for item in heldout])
    right = np.array([pair_accuracy(score, item.ranks) for score, item in zip(scores, heldout, strict=True)]) * pairs
    low, high = prompt_interval(right, pairs, [item.prompt for item in heldout], seed)
    return {
        "heldout_pair_accuracy": float(right.sum() / pairs.sum()),
        "ci95": [low, high],
        "heldout_comparisons": int(pairs.sum()),
        "by_margin": _by_margin(scores, heldout),
    }


def _by_margin(scores: Sequence[Tensor], comparisons: Sequence[Comparison]) -> list[dict[str, float | None]]:
    """Accuracy of pairs by how far apart their judge's scores were; empty where no scores were recorded.

    The last margin is open: its "high" is None.
    """
    scored = [(score, item) for score, item in zip(scores, comparisons, strict=True) if item.scores]
    if not scored:
        return []
    margins = torch.cat([_differences(torch.tensor(item.scores), item.ranks) for _, item in scored])
    right = torch.cat([_right(_differences(score, item.ranks)) for score, item in scored])
    found: list[dict[str, float | None]] = []
    for low, high in pairwise(_MARGINS):
        inside = (margins >= low) & (margins < high)
        if inside.any():
            above = high if math.isfinite(high) else None
            accuracy = float(right[inside].mean())
            found.append({"low": low, "high": above, "pairs": int(inside.sum()), "accuracy": accuracy})
    return found


def _right(differences: Tensor) -> Tensor:
    """1 where the better answer has the higher score, ½ where both have the same."""
    return (differences > 0) + 0.5 * (differences == 0)


def _differences(values: Tensor, ranks: Sequence[float]) -> Tensor:
    """Better minus worse, for every ordered pair."""
    return (values[:, None] - values[None, :])[better_pairs(ranks)]
