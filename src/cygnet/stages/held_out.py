"""Bits per byte of held-out documents: the one loss that compares across tokenizers."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cygnet.model.transformer import Transformer
from cygnet.tokens.packing import Rows
from cygnet.tokens.tokenizer import Tokenizer
from cygnet.training.distribution import on_device


def token_nats(model: Transformer, rows: Rows) -> Tensor:
    """[B, T] negative log-likelihood of each target in nats."""
    features = model.features(rows.tokens, rows.positions, rows.mask)
    return F.cross_entropy(model.logits(features).flatten(0, 1), rows.targets.flatten(), reduction="none").view_as(
        rows.targets
    )


@torch.no_grad()
def bits_per_byte(model: Transformer, batches: Sequence[Rows], tokenizer: Tokenizer) -> float:
    """Σ nats / (ln 2 × Σ bytes) over targets that stand for bytes; special tokens count in neither sum."""
    device = next(model.parameters()).device
    lengths = torch.tensor(tokenizer.byte_lengths(), device=device)
    first_lengths = torch.tensor(tokenizer.byte_lengths(begins=True), device=device)
    nats, total = 0.0, 0
    for rows in (on_device(batch, device) for batch in batches):
        counted = (lengths[rows.targets] > 0) & (rows.weights > 0)
        sizes = torch.where(rows.tokens == tokenizer.bos_id, first_lengths[rows.targets], lengths[rows.targets])
        nats += float((token_nats(model, rows) * counted).sum())
        total += int((sizes * counted).sum())
    return nats / (math.log(2) * total)
