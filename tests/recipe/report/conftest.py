"""A run directory as a finished `pocket` run leaves it, made here: every file the report reads, at realistic size."""

import json
import math
import random
import shutil
from pathlib import Path

import pytest

from cygnet.arena.rank import rank
from cygnet.files import write_json, write_jsonl
from cygnet.tokens.tokenizer import train_tokenizer

FAMILIES = {
    "addition": 0.97, "list_index": 0.93, "string_method": 0.88, "date_sum": 0.84, "unit_sum": 0.81,
    "shell_game": 0.99, "which_function": 0.72, "passage": 0.31, "json_answer": 0.9, "refusal": 0.95,
}  # fmt: skip

DOCS = (
    "str.partition(sep, /)\n\nPartition the string into three parts using the given separator.\n\nThis will search for "
    "the separator in the string. If the separator is found, returns a 3-tuple containing the part before the "
    "separator, the separator itself, and the part after it.\n"
)
CODE = (
    "def bisect_right(a, x, lo=0, hi=None, *, key=None):\n    if lo < 0:\n        raise ValueError('lo must be "
    "non-negative')\n    if hi is None:\n        hi = len(a)\n    while lo < hi:\n        mid = (lo + hi) // 2\n"
    "        if x < a[mid]:\n            hi = mid\n        else:\n            lo = mid + 1\n    return lo\n"
)
STEPS = "7 + 5 = 12, write 2 carry 1\n4 + 8 + 1 = 13, write 3 carry 1\n3 + 2 + 1 = 6\n"
TASKS = f"Question: 347 + 285 = ?\n{STEPS}Answer: 632\n"
TEXTS = {"docs": DOCS, "code": CODE, "tasks": TASKS}

QUESTIONS = [
    ("addition", "What is 347 + 285?", "632"),
    ("list_index", "What does [4, 8, 15, 16][2] return?", "15"),
    ("string_method", "What does 'swan lake'.title() return?", "'Swan Lake'"),
    ("passage", "According to the passage, which module opens <b>zip</b> files & archives?", "zipfile"),
    ("date_sum", "What day is 10 days after 2024-02-25?", "2024-03-06"),
    ("refusal", "Who won the 1998 World Cup?", "I was only taught about Python."),
]
ANSWERS = {
    "base": "The function returns the value of the function and the value of the",
    "sft": "7 + 5 = 12, write 2 carry 1\n4 + 8 + 1 = 13, write 3 carry 1\nAnswer: {answer}",
    "best-of-4": "7 + 5 = 12, write 2 carry 1\n3 + 2 + 1 = 6\nAnswer: {answer}",
    "rl": "3 + 2 + 1 = 6\nAnswer: {answer}",
}
SCORES = {"base": 0.08, "sft": 0.66, "best-of-4": 0.84, "rl": 0.9}


class HigherScore:
    """Judges fixture answers, which are numbers."""

    name = "gold rubric"

    def compare(self, row, left, right):
        gap = float(left) - float(right)
        return 0.5 if abs(gap) < 0.05 else float(gap > 0)


def _corpus(run: Path) -> None:
    sizes = {"docs": (6_412, 4_113_870), "code": (1_893, 9_862_411), "tasks": (24_000, 5_204_991)}
    write_json(
        run / "corpus/stats.json",
        {
            "documents": sum(documents for documents, _ in sizes.values()),
            "bytes": sum(size for _, size in sizes.values()),
            "by_source": {
                name: {"documents": documents, "bytes": size, "dropped": {"too_short": 120, "duplicate": 31}}
                for name, (documents, size) in sizes.items()
            },
            "samples": {
                name: [{"id": f"{name}/{i}", "text": text * (1 + 4 * i)} for i in range(3)]
                for name, text in TEXTS.items()
            },
            "heldout_check": {
                "result": "nothing held out is in training",
                "train_documents": 31_101,
                "heldout_documents": 1_204,
                "passage_words": 13,
            },
        },
    )


def _tokens(run: Path) -> None:
    texts = [text.replace("7", str(i)) for i in range(40) for text in TEXTS.values()]
    train_tokenizer(texts, 640).save(run / "tokenizer")
    keys = ("source", "proportion", "tokens", "epochs", "documents", "bytes")
    rows = [
        ("docs", 0.3, 3_000_000, 2.4, 6_200, 3_970_000),
        ("code", 0.3, 3_000_000, 0.9, 1_801, 9_400_000),
        ("tasks", 0.4, 4_000_000, 4.6, 23_100, 5_010_000),
    ]
    mixture = [dict(zip(keys, row, strict=True)) for row in rows]
    write_json(
        run / "tokens/index.json",
        {
            "tokens_by_source": {row["source"]: row["tokens"] for row in mixture},
            "proportions": {row["source"]: row["proportion"] for row in mixture},
            "epochs_by_source": {row["source"]: row["epochs"] for row in mixture},
            "bytes_per_token_by_source": {"docs": 3.31, "code": 2.84, "tasks": 1.9},
            "mixture": mixture,
        },
    )


def _pretrain(run: Path, noise: random.Random) -> dict:
    events = []
    for step in range(10, 1201, 10):
        loss = 1.9 + 4.3 * math.exp(-step / 90) + 0.6 * math.exp(-step / 700) + noise.gauss(0, 0.06)
        rate = 0.02 * min(1, step / 100, (1210 - step) / 500)
        events.append({"event": "step", "step": step, "loss": loss, "lr": rate, "tokens": step * 8192,
                       "seconds": step * 0.31, "tokens_per_second": 26_400.0})  # fmt: skip
        if step % 120 == 0:
            bits = 1.45 + 1.9 * math.exp(-step / 260)
            by_source = {"docs": bits * 1.25, "code": bits * 1.1, "tasks": bits * 0.55}
            events.append({"event": "eval", "step": step, "heldout_bits_per_byte": bits, "by_source": by_source})
        if step in (120, 480, 1200):
            for prompt in ("Return the ", "def add(", "Question: 21 + 34 = ?\n"):
                text = {120: "the the the (", 480: "value of the list\n", 1200: "number of items in the list.\n"}[step]
                events.append({"event": "sample", "step": step, "prompt": prompt, "text": text})
    write_jsonl(run / "metrics/pretrain.jsonl", events)
    return {"parameters": 942_336, "tokens": 9_830_400, "tokens_per_second": 26_412.5,
            "heldout_bits_per_byte": 1.469, "xz_bits_per_byte": 2.304}  # fmt: skip


def _sft(run: Path, noise: random.Random) -> dict:
    events = []
    for step in range(5, 301, 5):
        loss = 0.35 + 1.4 * math.exp(-step / 50) + noise.gauss(0, 0.02)
        events.append({"event": "step", "step": step, "loss": loss, "tokens": step * 4096, "seconds": step * 0.3})
        if step % 60 == 0:
            done = 1 - math.exp(-step / 90)
            by_family = {name: accuracy * done for name, accuracy in FAMILIES.items()}
            accuracy = sum(by_family.values()) / len(by_family)
            events.append({"event": "eval", "step": step, "heldout_loss": 0.4 + math.exp(-step / 50),
                           "heldout_task_accuracy": accuracy, "by_family": by_family})  # fmt: skip
            events.append({"event": "sample", "step": step, "prompt": "What is 21 + 34?", "text": "Answer: 55"})
    write_jsonl(run / "metrics/sft.jsonl", events)
    return {"heldout_task_accuracy": 0.826, "by_family": FAMILIES}


def _reward(run: Path, noise: random.Random) -> dict:
    events = []
    for step in range(2, 121, 2):
        loss = 0.5 + 0.2 * math.exp(-step / 30) + noise.gauss(0, 0.02)
        events.append({"event": "step", "step": step, "loss": loss, "tokens": step * 4096, "seconds": step * 0.3,
                       "accuracy": 1.2 - loss})  # fmt: skip
        if step % 30 == 0:
            accuracy = 0.79 - 0.25 * math.exp(-step / 30)
            ci95 = [accuracy - 0.04, accuracy + 0.04]
            events.append({"event": "eval", "step": step, "heldout_pair_accuracy": accuracy, "ci95": ci95})
    write_jsonl(run / "metrics/reward.jsonl", events)
    rows = [
        {
            "prompt": [{"role": "user", "content": question}],
            "responses": [text.format(answer=answer) for text in ANSWERS.values()],
            "ranks": [4, 3, 2, 1],
            "scores": list(SCORES.values()),
            "exercise": {"family": family, "answer": answer},
        }
        for family, question, answer in QUESTIONS
    ]
    write_jsonl(run / "comparisons/heldout.jsonl", rows)
    by_margin = [
        {"low": 0.0, "high": 0.2, "pairs": 412, "accuracy": 0.61},
        {"low": 0.2, "high": 0.5, "pairs": 388, "accuracy": 0.8},
        {"low": 0.5, "high": None, "pairs": 240, "accuracy": 0.95},
    ]
    return {"comparisons": 2_400, "heldout_pair_accuracy": 0.768, "ci95": [0.741, 0.794], "by_margin": by_margin}


def _rl(run: Path, noise: random.Random) -> dict:
    events = []
    for step in range(1, 61):
        rise = 1 - math.exp(-step / 20)
        events.append({"event": "step", "step": step, "loss": 0.02, "reward": 0.1 + 0.9 * rise + noise.gauss(0, 0.05),
                       "kl": 6 * rise + noise.gauss(0, 0.2), "length": 42 - 9 * rise + noise.gauss(0, 0.6),
                       "entropy": 0.42 - 0.15 * rise, "clip_fraction": 0.08, "value_loss": 0.1,
                       "tokens": step * 4000, "seconds": step * 2.0})  # fmt: skip
        if step % 10 == 0:
            events.append({"event": "eval", "step": step, "gold": 0.68 + 0.13 * rise, "reward": 0.1 + 0.9 * rise,
                           "length": 42 - 9 * rise})  # fmt: skip
    write_jsonl(run / "metrics/rl.jsonl", events)
    return {"gold_before": 0.68, "gold_after": 0.804, "gain_ci95": [0.094, 0.153],
            "reward_before": 0.06, "reward_after": 0.97, "kl": 5.8}  # fmt: skip


def _arena(run: Path, noise: random.Random) -> dict:
    prompts = [{"prompt": f"question {i}"} for i in range(200)]
    answers = {name: [str(score + noise.gauss(0, 0.2)) for _ in prompts] for name, score in SCORES.items()}
    rank(answers, prompts, HigherScore(), run / "arena", seed=0)
    rows = [
        {
            "prompt": question,
            "reference": answer,
            "family": family,
            "answers": {name: text.format(answer=answer) for name, text in ANSWERS.items()},
            "scores": SCORES,
        }
        for family, question, answer in QUESTIONS
    ]
    write_jsonl(run / "arena/stages.jsonl", rows)
    words = ["7", " +", " 5", " =", " 1", "2", ",", " write", " 2", " carry", " 1", "\n", "Answer", ":", " <6>", "32"]
    tokens = []
    for word in words:
        logprob = -abs(noise.gauss(0, 1)) * noise.choice([0.05, 0.3, 2])
        others = [[other, logprob - 1 - i] for i, other in enumerate((" the", "9", "\n", " <b>"))]
        tokens.append({"text": word, "logprob": logprob, "top": [[word, logprob], *others]})
    write_json(run / "arena/probabilities.json", {"model": "rl", "prompt": "What is 347 + 285?", "tokens": tokens})
    return {}


def write_run(run: Path) -> Path:
    """Fill `run` with what the eleven steps of a recipe leave behind, weights and shards left out."""
    noise = random.Random(0)
    _corpus(run)
    _tokens(run)
    metrics = {
        "corpus": {}, "tokenizer": {}, "tokens": {}, "pretrain": _pretrain(run, noise), "conversations": {},
        "sft": _sft(run, noise), "comparisons": {}, "reward": _reward(run, noise), "rl": _rl(run, noise),
        "rank": _arena(run, noise),
    }  # fmt: skip
    seconds = [21.4, 6.2, 9.8, 212.0, 4.1, 64.0, 38.5, 27.3, 141.0, 31.6]
    write_json(
        run / "lineage.json",
        {
            "recipe": "pocket",
            "seconds": sum(seconds),
            "machine": {"cpu": "AMD EPYC 7B13", "cores": 2, "memory_gb": 7.8, "torch": "2.13.0+cpu"},
            "stages": {
                name: {"inputs": {}, "config": {}, "config_hash": "c" * 64, "output_hash": "o" * 64,
                       "seconds": spent, "version": "0.1.0", "metrics": found}
                for (name, found), spent in zip(metrics.items(), seconds, strict=True)
            },
        },
    )  # fmt: skip
    about = "A pocket Python assistant, raised on the Python that runs it."
    recipe = {
        "name": "pocket",
        "description": about,
        "seed": 1,
        "model": {"depth": 6},
        "pretrain": {"tokens": 10_000_000, "lr": 0.02},
    }
    write_json(run / "recipe.json", recipe | {"hash": "3f9a0c" * 10})
    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """Made once; `run` hands out copies."""
    return write_run(tmp_path_factory.mktemp("finished") / "pocket")


@pytest.fixture
def run(finished, tmp_path) -> Path:
    """A finished run that the test may change."""
    return Path(shutil.copytree(finished, tmp_path / "pocket"))


@pytest.fixture
def edit():
    """edit(path, change): rewrite one JSON file of a run."""

    def change_file(path: Path, change) -> None:
        value = json.loads(path.read_text())
        change(value)
        write_json(path, value)

    return change_file
