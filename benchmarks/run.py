"""Training and decoding speed on this machine: `make bench`.

python benchmarks/run.py [RECIPE] [KEY=VALUE ...]      the recipe's data, shape and batch; pocket if none is given

float32 and bfloat16 train in turn, a few seconds each, round after round, so that a busy machine slows both alike; what
is compared are medians. Data is built once, in runs/bench/.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from cygnet.generation import Engine, Sampling
from cygnet.lock import locked
from cygnet.model.config import ModelConfig
from cygnet.model.transformer import Transformer
from cygnet.recipe.graph import recipe_steps
from cygnet.recipe.load import load_recipe
from cygnet.recipe.machine import available_cores, machine_facts
from cygnet.recipe.runner import run_steps
from cygnet.recipe.schema import Recipe
from cygnet.stages.pretrain import Pretraining
from cygnet.tokens.shards import open_split
from cygnet.tokens.tokenizer import Tokenizer
from cygnet.training.loop import prepare_machine, update
from cygnet.training.optimizers import muon_and_adamw
from cygnet.training.work import Work

PRECISIONS = ("float32", "bfloat16")
ROUNDS = 7
SECONDS = 3.0  # at least, for each measurement
_DATA = ("conversations", "pages", "corpus", "tokenizer", "tokens")  # steps of a recipe

Batch = Callable[[], float]


def main(arguments: list[str], folder: Path = Path("runs/bench"), rounds: int = ROUNDS, least: float = SECONDS) -> None:
    """Print both tables."""
    recipe = load_recipe(arguments)
    threads = recipe.threads or available_cores()
    build_data(recipe, folder, threads)
    prepare_machine(threads)
    tokenizer = Tokenizer.load(folder / "tokenizer")
    models = {precision: new_model(recipe, tokenizer, precision) for precision in PRECISIONS}
    facts = machine_facts()
    parameters = sum(parameter.numel() for parameter in models["float32"].parameters())
    print(f"{recipe.name}: {parameters:,} parameters, rows of {recipe.pretrain.context_length} tokens, ", end="")
    print(f"{threads} threads of {facts['cpu']}, torch {facts['torch']}; medians of {rounds} rounds\n")
    report_training({name: trainer(recipe, folder, tokenizer, model) for name, model in models.items()}, rounds, least)
    report_decoding(Engine(new_model(recipe, tokenizer, "float32"), tokenizer), folder, rounds, least)


def build_data(recipe: Recipe, folder: Path, threads: int) -> None:
    """The recipe's corpus, tokenizer and tokens, unless they are there."""
    with locked(folder):
        steps = [step for step in recipe_steps(recipe, folder) if step.name in _DATA]
        run_steps(steps, folder, title=recipe.name, seed=recipe.seed, threads=threads)


def new_model(recipe: Recipe, tokenizer: Tokenizer, precision: str) -> Transformer:
    """An untrained model of the recipe's shape."""
    torch.manual_seed(recipe.seed)
    shape = ModelConfig.from_depth(recipe.pretrain.depth, tokenizer.vocab_size, recipe.pretrain.context_length)
    model = Transformer(shape)
    model.compute_dtype = getattr(torch, precision)
    return model


def trainer(recipe: Recipe, folder: Path, tokenizer: Tokenizer, model: Transformer) -> Batch:
    """A function that does the pretraining stage's next update and returns how many tokens it trained on."""
    train, heldout = (open_split(folder / "tokens", split, tokenizer.hash) for split in ("train", "validation"))
    stage = Pretraining(model, tokenizer, train, heldout, recipe.pretrain, Work(folder, folder / "metrics.jsonl"))
    optimizers = muon_and_adamw(model, recipe.pretrain.matrix_lr, recipe.pretrain.other_lr)
    done = 0

    def one_update() -> float:
        nonlocal done
        done += 1
        return update(model, optimizers, stage, done % stage.steps, clip=0.0)["count"]

    return one_update


def report_training(trainers: dict[str, Batch], rounds: int, least: float) -> None:
    """Tokens a second of each precision, and how many times the first's the others are."""
    for one_update in trainers.values():  # the first update also fills caches and allocates the optimizers' state
        one_update()
    rates: dict[str, list[float]] = {name: [] for name in trainers}
    for _ in range(rounds):
        for name, one_update in trainers.items():
            rates[name].append(rate(one_update, least))
    print("| Training | Tokens a second | Against float32, round by round |\n| --- | --- | --- |")
    for name, found in rates.items():
        ratios = [mine / other for mine, other in zip(found, rates["float32"], strict=True)]
        spread = f"{statistics.median(ratios):.2f}× ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"| {name} | {statistics.median(found):,.0f} | {spread} |")


def report_decoding(engine: Engine, folder: Path, rounds: int, least: float) -> None:
    """New tokens a second: one prompt, many prompts, many samples of one prompt."""
    length = engine.model.config.context_length // 4
    split = open_split(folder / "tokens", "train", engine.tokenizer.hash)
    documents = (split.document(i) for i in range(len(split)))
    prompts = [document[:length].tolist() for document in documents if len(document) > length][:32]
    cases = {"1 prompt": (prompts[:1], 1), "32 prompts": (prompts, 1), "32 samples of 1 prompt": (prompts[:1], 32)}
    print(f"\n| Decoding (float32, {length} + up to {length} tokens) | New tokens a second |\n| --- | --- |")
    for name, (asked, samples) in cases.items():
        found = [rate(decoder(engine, asked, samples, length), least) for _ in range(rounds)]
        print(f"| {name} | {statistics.median(found):,.0f} |")


def decoder(engine: Engine, prompts: list[list[int]], samples: int, most: int) -> Batch:
    """A function that answers the prompts once and returns how many tokens that took."""

    def answer() -> float:
        found = engine.generate(prompts, Sampling(max_new_tokens=most, seed=1), samples)
        return sum(len(completion.tokens) for completions in found for completion in completions)

    return answer


def rate(batch: Batch, least: float) -> float:
    """Tokens a second of `batch`, called until `least` seconds have gone by."""
    tokens, began = 0.0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < least or not tokens:
        tokens += batch()
    return tokens / elapsed


if __name__ == "__main__":
    main(sys.argv[1:])
