"""Updates of supervised fine-tuning as they are and compiled, in turn, and what compiling costs at first.

    python benchmarks/sft_compiled.py RUN [DEPTH] [--rounds N] [--updates N] [--threads N]

RUN is a finished run, which is only read: its conversations train its base model, or an untrained one
of DEPTH layers. Compiled is one of two things: the layers, so that logits are made only where the assistant speaks, as
they are now; or the loss of all places. Compiled "again" is with torch's cache of the first time.
Seconds are told by the clock, and as the processors counted them, the compiler's included: beside other work, with one
thread, only the latter compare.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from cygnet.model.config import ModelConfig
from cygnet.model.folder import load_language_model
from cygnet.model.transformer import Transformer
from cygnet.recipe.machine import available_cores
from cygnet.stages.config import SftConfig
from cygnet.stages.held_out import token_nats
from cygnet.stages.predictions import nats_of
from cygnet.stages.sft import FineTuning
from cygnet.tokens.packing import Rows
from cygnet.training.compiling import compiled
from cygnet.training.loop import Loss, prepare_machine, update
from cygnet.training.optimizers import muon_and_adamw
from cygnet.training.work import Work

Update = Callable[[], object]


class LayersCompiled(FineTuning):
    """The layers are compiled; the loss is as it is."""

    def loss(self, batch: Rows) -> Loss:
        """As `FineTuning.loss`."""
        learned = batch.weights > 0
        features = self.quick(self._model, batch)[learned]
        return Loss(nats_of(self._model, features, batch.targets[learned]).sum(), float(learned.sum()), {})

    def begin(self) -> None:
        """Forget what is compiled."""
        self.quick = compiled(features)


class AllCompiled(FineTuning):
    """The loss of all places is compiled, and those that nobody learns from are left out afterwards."""

    def loss(self, batch: Rows) -> Loss:
        """As `FineTuning.loss`."""
        nats = self.quick(self._model, batch) * batch.weights
        return Loss(nats.sum(), float(batch.weights.sum()), {})

    def begin(self) -> None:
        """Forget what is compiled."""
        self.quick = compiled(token_nats)


def features(model: Transformer, batch: Rows) -> Tensor:
    """[B, T, D]."""
    return model.features(batch.tokens, batch.positions, batch.mask)


def main() -> None:
    """Print tokens a second of each way, and the seconds of its first update."""
    parser = argparse.ArgumentParser(description="Fine-tuning as it is and compiled, in turn.")
    parser.add_argument("run", type=Path)
    parser.add_argument("depth", type=int, nargs="?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=10)
    parser.add_argument("--threads", type=int, default=available_cores())
    given = parser.parse_args()
    prepare_machine(given.threads)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        compare(given.run, given.depth, given.rounds, given.updates)


def compare(run: Path, depth: int | None, rounds: int, updates: int) -> None:
    """Each way has a model of its own, which learns from the same batches."""
    kinds = {"as it is": FineTuning, "layers compiled": LayersCompiled, "all compiled": AllCompiled}
    ways = {name: updater(kind, run, depth) for name, kind in kinds.items()}
    stage = ways["as it is"][1]
    learned = sum(sum(item.mask) for item in stage._data) / sum(len(item.ids) for item in stage._data)  # noqa: SLF001
    print(f"{stage.steps} updates of 16 rows, {learned:.0%} of tokens learned from; {torch.get_num_threads()} threads")
    for name, (one, way) in ways.items():
        for when in ("first", "again")[: 2 if name != "as it is" else 1]:
            if isinstance(way, LayersCompiled | AllCompiled):
                torch.compiler.reset()
                way.begin()
            wall, processors = timed(one, 1)
            print(f"{name}, {when}: {wall:.1f} s for the first update, {processors:.1f} of processors", flush=True)
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (one, _) in ways.items():
            took[name].append(timed(one, updates))
    for name, found in took.items():
        print(f"{name}: an update takes {against(found, took['as it is'], updates, 0)} by the clock, ", end="")
        print(f"{against(found, took['as it is'], updates, 1)} of processors")


def updater(kind: type[FineTuning], run: Path, depth: int | None) -> tuple[Update, FineTuning]:
    """A function that does the next update, and the stage."""
    config = SftConfig(compile="never")
    model, tokenizer = load_language_model(run / "base")
    if depth:
        torch.manual_seed(1)
        model = Transformer(ModelConfig.from_depth(depth, tokenizer.vocab_size, model.config.context_length))
    model.compute_dtype = getattr(torch, config.precision)
    work = Work(Path("nowhere"), Path("nowhere"))
    stage = kind(model, tokenizer, run / "conversations/train.jsonl", None, config, work)
    optimizers = muon_and_adamw(model, config.matrix_lr, config.other_lr)
    done = iter(range(1_000_000))
    return lambda: update(model, optimizers, stage, next(done), clip=0.0), stage


def timed(one: Update, updates: int) -> tuple[float, float]:
    """Seconds of so many updates: by the clock, and of all processors, those of child processes included."""
    began, before = time.perf_counter(), os.times()
    for _ in range(updates):
        one()
    return time.perf_counter() - began, sum(os.times()[:4]) - sum(before[:4])


def against(found: list[tuple[float, float]], plain: list[tuple[float, float]], updates: int, which: int) -> str:
    """Milliseconds an update, the median, and how many times as fast that is as uncompiled, round by round."""
    milliseconds = statistics.median(pair[which] for pair in found) / updates * 1e3
    ratios = [other[which] / pair[which] for pair, other in zip(found, plain, strict=True)]
    return (
        f"{milliseconds:.0f} ms ({statistics.median(ratios):.2f} times as fast, {min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()
