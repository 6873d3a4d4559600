"""cygnet on a text, in a process of its own: `nanogpt_ours.py TEXT SEED`. The last line printed is JSON."""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cygnet.allocator import preload

preload()

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from characters import LENGTH, loss, read  # noqa: E402
from torch import Tensor  # noqa: E402

from cygnet.model.config import ModelConfig  # noqa: E402
from cygnet.model.transformer import Transformer  # noqa: E402
from cygnet.recipe.machine import available_cores  # noqa: E402
from cygnet.training.loop import Loss, Plan, fit  # noqa: E402
from cygnet.training.metrics import Metrics  # noqa: E402
from cygnet.training.optimizers import Muon, adamw  # noqa: E402
from cygnet.training.work import Work  # noqa: E402

UPDATES, ROWS, WARMUP = 170, 24, 10
FFN_WIDTH = 320  # a little narrower than the dial's, so that nanoGPT has more parameters
MATRIX_LR, OTHER_LR, MOMENTUM = 0.03, 0.01, 0.85


class Windows:
    """Batches of windows at random places, as nanoGPT draws them."""

    name, counts = "characters", "characters"

    def __init__(self, model: Transformer, ids: Tensor, seed: int) -> None:
        self._model, self._ids = model, ids
        self._seed = seed

    def micro_batches(self, step: int) -> Sequence[Tensor]:
        """One batch [ROWS, LENGTH + 1], decided by seed and step."""
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        starts = torch.randint(len(self._ids) - LENGTH, (ROWS,), generator=generator)
        return [self._ids[starts[:, None] + torch.arange(LENGTH + 1)]]

    def loss(self, batch: Tensor) -> Loss:
        """Nats over all characters but the first."""
        logits = self._model(batch[:, :-1]).flatten(0, 1)
        return Loss(F.cross_entropy(logits, batch[:, 1:].flatten(), reduction="sum"), float(batch[:, 1:].numel()), {})

    def due(self, step: int) -> bool:
        """Never: nothing is looked at on the way."""
        return step < 0

    def after(self, step: int, metrics: Metrics) -> None:
        """Nothing."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing beyond the step."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to take up."""


def main() -> None:
    """Train, judge, print."""
    text, seed = Path(sys.argv[1]), int(sys.argv[2])
    train, validation, characters = read(text)
    torch.manual_seed(seed)
    model = Transformer(replace(ModelConfig.from_depth(4, characters, LENGTH), ffn_width=FFN_WIDTH))
    model.compute_dtype = torch.bfloat16
    named = list(model.named_parameters())
    matrices = [parameter for name, parameter in named if parameter.ndim == 2 and ".layers." in name]
    others = [parameter for name, parameter in named if not (parameter.ndim == 2 and ".layers." in name)]
    optimizers = [Muon(matrices, MATRIX_LR, MOMENTUM), adamw(others, OTHER_LR)]
    with tempfile.TemporaryDirectory() as folder:
        work = Work(Path(folder) / "checkpoints", Path(folder) / "metrics.jsonl", seed, available_cores(), False)
        plan = Plan(UPDATES, "linear", WARMUP, checkpoint_every=UPDATES)
        metrics = fit(model, optimizers, Windows(model, train, seed), plan, work)
        seconds = metrics.history("step")[-1]["seconds"]
    began = time.perf_counter()
    found = {
        "seconds": seconds,
        "updates": UPDATES,
        "loss": loss(model, validation),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    print(json.dumps({**found, "judging": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
