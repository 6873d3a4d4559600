"""The one dial measured: models of several depths on a recipe's own tokens, their loss against their compute.

    python benchmarks/pretrain/depths.py RUN OUT [--depths 2 3 4 6] [--parts 0.25 0.5 1] [--rates 0.5 2] [--seed 1]

RUN is the folder of a finished run, whose tokens and tokenizer are used. Every depth is pretrained from nothing on the
parts of the tokens, with the learning rates of the recipe as they are; and on the largest part with rates that are
RATES times those, to see whether the same settings are best at every depth. What is judged is bits per byte of the
whole test split. OUT gets results.jsonl, to which later calls add what is missing, and depths.svg.
"""

import argparse
import dataclasses
import itertools
import math
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cygnet.allocator import preload

if __name__ == "__main__":
    preload()

import torch
from depths_plot import write_plot

from cygnet.files import read_jsonl, write_jsonl
from cygnet.model.config import ModelConfig
from cygnet.model.transformer import Transformer
from cygnet.recipe.machine import available_cores, machine_facts
from cygnet.recipe.planner.shape import flops_per_token
from cygnet.stages.config import REFERENCE_BATCH, PretrainConfig
from cygnet.stages.held_out import bits_per_byte
from cygnet.stages.pretrain import Pretraining, heldout_batches
from cygnet.tokens.shards import Split, open_split
from cygnet.tokens.tokenizer import Tokenizer
from cygnet.training.loop import Plan, fit
from cygnet.training.optimizers import muon_and_adamw
from cygnet.training.rates import scaled_lr
from cygnet.training.work import Work


@dataclasses.dataclass(frozen=True)
class Case:
    """One training: how deep, on which part of the tokens, with rates how many times the recipe's."""

    depth: int
    part: float
    rate: float
    seed: int


def main() -> None:
    """Train what is missing, smallest first; then print the table and the fit, and draw."""
    arguments = parse()
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = arguments.out / "results.jsonl"
    found = read_jsonl(results) if results.exists() else []
    done = {_case(line) for line in found}
    for case in sorted(cases(arguments), key=lambda case: (case.depth, case.part, case.rate)):
        if case not in done:
            found.append(train(case, arguments.run, arguments.out))
            write_jsonl(results, found)
    found = [line for line in found if line["seed"] == arguments.seed]
    show(found)
    usual = [line for line in found if line["rate"] == 1.0]
    if len(usual) < 2:
        return  # no line goes through one point
    law = frontier(usual)
    print(f"\nbits per byte = {law[0]:.3f} x (FLOPs / 1e13)^-{law[1]:.4f} through the best of each compute")
    write_plot(found, law, arguments.out / "depths.svg")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--depths", type=int, nargs="+", default=[2, 3, 4, 6])
    parser.add_argument("--parts", type=float, nargs="+", default=[0.25, 0.5, 1.0])
    parser.add_argument("--rates", type=float, nargs="+", default=[0.5, 2.0])
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def cases(arguments: argparse.Namespace) -> Iterator[Case]:
    """What is asked for."""
    for depth, part in itertools.product(arguments.depths, arguments.parts):
        yield Case(depth, part, 1.0, arguments.seed)
    for depth, rate in itertools.product(arguments.depths, arguments.rates):
        yield Case(depth, max(arguments.parts), rate, arguments.seed)


def train(case: Case, run: Path, out: Path) -> dict[str, Any]:
    """Pretrain as `cygnet.stages.pretrain` does, on a part of the tokens, and judge the model."""
    tokenizer, began = Tokenizer.load(run / "tokenizer"), time.perf_counter()
    splits = {name: open_split(run / "tokens", name, tokenizer.hash) for name in ("train", "validation", "test")}
    config = PretrainConfig(depth=case.depth, evaluations=1)
    shape = ModelConfig.from_depth(case.depth, tokenizer.vocab_size, config.context_length)
    folder = out / f"depth-{case.depth}-part-{case.part:g}-rate-{case.rate:g}-seed-{case.seed}"
    work = Work(folder / "checkpoints", folder / "metrics.jsonl", case.seed, available_cores())
    torch.manual_seed(case.seed)
    model = Transformer(shape)
    model.compute_dtype = getattr(torch, config.precision)
    stage = Pretraining(model, tokenizer, first(splits["train"], case.part), splits["validation"], config, work)
    batch = {"batch": config.rows_per_step, "reference_batch": REFERENCE_BATCH}
    rates = scaled_lr(config.matrix_lr, **batch), scaled_lr(config.other_lr, **batch, width=shape.width)
    optimizers = muon_and_adamw(model, *(case.rate * rate for rate in rates))
    plan = Plan(stage.steps, "warmup-stable-decay", config.warmup, checkpoint_every=max(50, stage.steps // 4))
    print(f"depth {case.depth}, {case.part:g} of the tokens, rates x {case.rate:g}: {stage.steps} updates", flush=True)
    fit(model, optimizers, stage, plan, work)
    test = heldout_batches(splits["test"], config.context_length, tokenizer, rows=None)
    return {
        **dataclasses.asdict(case),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "tokens": stage.tokens,
        "flops": stage.tokens * flops_per_token(shape),
        "bits_per_byte": bits_per_byte(model, [rows for batches in test.values() for rows in batches], tokenizer),
        "seconds": round(time.perf_counter() - began, 1),
        "machine": machine_facts(),
    }


def first(split: Split, part: float) -> Split:
    """The first documents, which are as mixed as all of them."""
    count = round(part * len(split))
    return dataclasses.replace(split, sources=split.sources[:count], offsets=split.offsets[: count + 1])


def frontier(found: list[dict[str, Any]]) -> tuple[float, float]:
    """(a, b) of bits per byte = a x (FLOPs / 1e13)^-b, by least squares of logarithms.

    Of the points it takes those that none beats with less compute.
    """
    best = [one for one in found if not any(_beats(other, one) for other in found)]
    computes, losses = ([math.log(each) for each in column] for column in zip(*map(_point, best), strict=True))
    slope, intercept = statistics.linear_regression(computes, losses)
    return math.exp(intercept), -slope


def show(found: list[dict[str, Any]]) -> None:
    """A line for each training."""
    print("\ndepth  parameters   part     tokens     FLOPs  rates  bits per byte  seconds")
    for one in sorted(found, key=lambda one: (one["depth"], one["part"], one["rate"])):
        print(
            f"{one['depth']:5}  {one['parameters']:10,}  {one['part']:5g}  {one['tokens']:9,}  {one['flops']:8.2e}"
            f"  {one['rate']:5g}  {one['bits_per_byte']:13.4f}  {one['seconds']:7.0f}"
        )


def _case(line: dict[str, Any]) -> Case:
    return Case(*(line[field.name] for field in dataclasses.fields(Case)))


def _point(one: dict[str, Any]) -> tuple[float, float]:
    return one["flops"] / 1e13, one["bits_per_byte"]


def _beats(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one["flops"] <= other["flops"] and one["bits_per_byte"] < other["bits_per_byte"]


if __name__ == "__main__":
    main()
