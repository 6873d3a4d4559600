"""Models of one shape for gpu.py, each with the optimizers and the step of those who wrote it.

Heads of 128, full windows, Qwen3's parts but for nanochat, whose squared ReLU is 4 widths wide; the others' SwiGLU has
at most as many parameters as that. nanochat's output matrix is not its embeddings, and it has value embeddings: they
take memory, and nothing is multiplied with them.
"""

from collections.abc import Callable
from typing import Any

import gpu_peers
import torch
import torch.nn.functional as F
from gpu_shapes import Shape, Side
from torch import Tensor


def build(side: str, shape: Shape, rows: int, settings: dict[str, Any]) -> Side:
    """A side PEER[-HOW...] of gpu.py that reads so many rows at once."""
    peer, *how = side.split("-")
    return BUILDERS[peer](shape, how, rows, settings)


def cygnet(shape: Shape, how: list[str], rows: int, settings: dict[str, Any]) -> Side:
    """The loop's own update, on rows of one document each or, with `documents`, of several that don't see each other.

    `parts`: the logits of a part of the places at a time, computed again in the backward pass. `unordered`: numbers may
    be added in any order, which the loop does not allow.
    """
    from cygnet.model.transformer import Transformer
    from cygnet.training.loop import Loss, prepare_machine, update
    from cygnet.training.optimizers import muon_and_adamw
    from cygnet.training.world import World

    prepare_machine(torch.get_num_threads())
    if "unordered" in how:
        torch.use_deterministic_algorithms(False)
    world = World(device=settings["device"])
    with torch.device(world.device):
        model = Transformer(shape.config())
    model.compute_dtype = torch.bfloat16
    with torch.no_grad():  # what it computes once and keeps is no part of what is compiled
        model.features(torch.zeros(1, shape.length, dtype=torch.int64, device=world.device))
    optimizers = muon_and_adamw(model, 0.02, 0.01)
    read = _documents if "documents" in how else _rows
    nats = _nats(model, by_parts="parts" in how)
    if "compiled" in how:  # not as the stage does, which goes on uncompiled where that fails, saying so
        nats = torch.compile(nats, dynamic=False)

    class Given:
        """A stage of one update."""

        name = "gpu"
        parts: list[Any]

        def micro_batches(self, step: int) -> list[Any]:  # noqa: ARG002 - a stage's interface
            return self.parts

        def loss(self, batch: Any) -> Loss:
            return Loss(nats(batch), batch.weights.sum(), {})

    stage = Given()

    def step(ids: Tensor) -> float:
        stage.parts = [read(part, shape) for part in ids.split(rows)]
        return update(model, optimizers, stage, 0, 0.0, world)["loss"]  # type: ignore[arg-type] - as far as it is used

    return Side(model, step, sum(parameter.numel() for parameter in model.parameters()))


def _nats(model: Any, by_parts: bool) -> Callable[[Any], Tensor]:
    """Summed over a micro-batch; without positions a row is one document."""
    from cygnet.stages.predictions import nats_of

    def nats(batch: Any) -> Tensor:
        several = batch.positions.numel() > 0
        features = model.features(batch.tokens, *((batch.positions, batch.mask) if several else ())).flatten(0, 1)
        targets = batch.targets.flatten()
        if by_parts:
            return nats_of(model, features, targets).sum()
        return F.cross_entropy(model.logits(features), targets, reduction="sum")

    return nats


def _rows(ids: Tensor, shape: Shape) -> Any:
    from cygnet.tokens.packing import Rows

    del shape
    none = torch.empty(0, dtype=torch.int64)
    return Rows(ids[:, :-1].contiguous(), ids[:, 1:].contiguous(), torch.ones(len(ids), ids.shape[1] - 1), none, none)


def _documents(ids: Tensor, shape: Shape) -> Any:
    """Each row cut to four documents, as pretraining packs them."""
    from cygnet.tokens.packing import collate

    each = shape.length // 4
    cuts = [[row[start : start + each + 1].numpy() for start in range(0, shape.length, each)] for row in ids]
    return collate(cuts, None, shape.length, 0)


BUILDERS: dict[str, Callable[[Shape, list[str], int, dict[str, Any]], Side]] = {
    "cygnet": cygnet,
    "nanochat": gpu_peers.nanochat,
    "torchtitan": gpu_peers.torchtitan,
}
