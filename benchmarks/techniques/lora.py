"""Adaptation (LoRA): a raised model is taught a new form of answer from a hundred examples, its weights untouched.

The pocket recipe's models answer in JSON as {"steps", "answer"}. Here the answer is to be {"work", "result"}, about the
same kinds of exercise, and is right when the object has these keys and no others, and the result is right.

    python benchmarks/techniques/lora.py runs/pocket/sft

trains an adapter for each of three seeds, with other examples each, and asks questions that no stage has seen.
"""

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from common import HOME, Item, Row, measure, report

from cygnet.corpus.tasks import Exercise, exercises, parse_object
from cygnet.files import write_jsonl
from cygnet.lm.local import LocalModel, load_folder
from cygnet.stages.adapt import adapt
from cygnet.stages.config import AdaptConfig
from cygnet.techniques import Plain
from cygnet.techniques.parsing import Parser
from cygnet.training.loop import prepare_machine
from cygnet.training.work import Work

EXAMPLES, ITEMS, SEEDS = 100, 300, 3
FAMILIES = ("addition", "lists", "strings", "units", "passage")
TOLD = '{question} The keys are "work" and "result".'


def main() -> None:
    """Measure the model before, told in words, and after; and its own form, which is what can be hoped for."""
    (base,) = map(Path, sys.argv[1:])
    prepare_machine(threads=1)
    model = load_folder(base, "base")
    asked = list(islice(_exercises("test", 0), ITEMS))
    items = [Item(exercise.prompt, exercise.answer) for exercise in asked]
    own = measure("its own form", Plain(model, parse=_result_of("steps", "answer")), items)
    plain = measure("new form, plain", Plain(model, parse=_result_of("work", "result")), items)
    told = measure("new form, told in words", Plain(model, template=TOLD, parse=_result_of("work", "result")), items)
    adapted, metrics = _adapted(base, items)
    print(metrics)
    seconds = sum(row["training_seconds"] for row in metrics) / SEEDS
    share = metrics[0]["share_of_parameters"]
    title = (
        f"A new form of answer from {EXAMPLES} examples: {share:.1%} of the parameters learn, {seconds:.0f} s, "
        f"{metrics[0]['tokens_read']:,} tokens; {ITEMS} questions."
    )
    report(HOME, "lora", title, [plain, told.above(plain), adapted.above(plain, told), own])


def _adapted(base: Path, items: list[Item]) -> tuple[Row, list[dict[str, Any]]]:
    """The adapted models of all seeds as one row, and what each training took."""
    rows, metrics = [], []
    for seed in range(SEEDS):
        with TemporaryDirectory() as temporary:
            folder = Path(temporary)
            taught = islice(_exercises("train", 1000 + seed), EXAMPLES)
            write_jsonl(folder / "examples/train.jsonl", map(_example, taught))
            work = Work(folder / "checkpoints", folder / "metrics.jsonl", seed, threads=1, progress=False)
            metrics.append(adapt(base, folder / "examples", folder / "adapter", AdaptConfig(), work))
            model: LocalModel = load_folder(folder / "adapter", "adapted")
        rows.append(measure(f"new form, adapted, seed {seed}", Plain(model, parse=_result_of("work", "result")), items))
    usage = sum((row.usage for row in rows[1:]), rows[0].usage)
    return Row("new form, adapted", np.concatenate([row.right for row in rows]), usage), metrics


def _exercises(split: str, seed: int) -> Iterator[Exercise]:
    """Exercises with an answer in JSON and without a tool."""
    return (exercise.in_json() for exercise in exercises(split, seed, FAMILIES) if not exercise.tool)


def _example(exercise: Exercise) -> dict[str, Any]:
    answer = json.dumps({"work": list(exercise.steps), "result": exercise.answer})
    words = (("user", exercise.prompt), ("assistant", answer))
    return {"messages": [{"role": role, "content": content} for role, content in words]}


def _result_of(work: str, result: str) -> Parser:
    """Reads the result out of an object with these keys and no others."""

    def parse(text: str) -> str | None:
        found = parse_object(text)
        if found is None or not set(found) <= {work, result} or result not in found:
            return None
        return str(found[result])

    return parse


if __name__ == "__main__":
    main()
