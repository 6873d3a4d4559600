"""Bits per byte of held-out documents: the one loss that compares across tokenizers."""

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cygnet.model.transformer import Transformer
from cygnet.stages.predictions import nats_of
from cygnet.tokens.packing import Rows
from cygnet.tokens.tokenizer import Tokenizer
from cygnet.training.distribution import on_device
from cygnet.training.world import World


def token_nats(model: Transformer, rows: Rows) -> Tensor:
    """[B, T] negative log-likelihood of each target in nats."""
    features = model.features(rows.tokens, rows.positions, rows.mask)
    return F.cross_entropy(model.logits(features).flatten(0, 1), rows.targets.flatten(), reduction="none").view_as(
        rows.targets
    )


def bits_per_byte(model: Transformer, batches: Sequence[Rows], tokenizer: Tokenizer) -> float:
    """Σ nats / (ln 2 × Σ bytes) over targets that stand for bytes; special tokens count in neither sum."""
    return bits_by_source(model, {"": batches}, tokenizer)[0]


@torch.no_grad()
def bits_by_source(
    model: Transformer,
    batches: Mapping[str, Sequence[Rows]],
    tokenizer: Tokenizer,
    world: World = World(),  # noqa: B008 - it is frozen, and alone
) -> tuple[float, dict[str, float]]:
    """Bits per byte of everything, and of each source. The processes of `world` ask together and read shares of it.

    All read equally many batches, since a sharded model goes forward in all processes or in none: who has no more of
    its own reads another's, which counts once.
    """
    device = next(model.parameters()).device
    lengths = torch.tensor(tokenizer.byte_lengths(), device=device)
    first_lengths = torch.tensor(tokenizer.byte_lengths(begins=True), device=device)
    names, everything = zip(*((name, rows) for name, several in batches.items() for rows in several), strict=True)
    nats, total = [0.0] * len(everything), [0.0] * len(everything)
    for place in range(world.rank, -(-len(everything) // world.size) * world.size, world.size):
        rows = on_device(everything[place % len(everything)], device)
        counted = (lengths[rows.targets] > 0) & (rows.weights > 0)
        sizes = torch.where(rows.tokens == tokenizer.bos_id, first_lengths[rows.targets], lengths[rows.targets])
        features = model.features(rows.tokens, rows.positions, rows.mask).flatten(0, 1)
        of_rows = (nats_of(model, features, rows.targets.flatten()) * counted.flatten()).sum()
        if place < len(everything):
            nats[place], total[place] = float(of_rows), float((sizes * counted).sum())
    sums = world.sums([*nats, *total])
    read = list(zip(names, sums[: len(nats)], sums[len(nats) :], strict=True))

    def bits(members: list[tuple[str, float, float]]) -> float:
        return sum(nats for _, nats, _ in members) / (math.log(2) * sum(size for _, _, size in members))

    return bits(read), {name: bits([one for one in read if one[0] == name]) for name in batches}
