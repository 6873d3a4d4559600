"""Encoding a corpus: the bulk encoder (tiktoken) and Hugging Face's tokenizers in turn, on the same texts and merges.

python benchmarks/data/tokenizing.py [VOCAB_SIZE] [ROUNDS]

The texts are the files of the standard library (code, and the documentation in it), 12 MB of them. The tokenizer is
trained on every eighth. Both give the same ids; that is checked. MB are those of UTF-8, seconds those of the processor,
of all threads, from texts in memory to lists or arrays of ids.
"""

import statistics
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cygnet.tokens.bulk import BulkEncoder
from cygnet.tokens.tokenizer import train_tokenizer

SIZE = 12_000_000  # bytes
BATCH = 1_000  # texts at a time, as `cygnet.corpus.tokenize` gives them


def library() -> list[str]:
    """Files of the standard library, in their order."""
    texts, size = [], 0
    for file in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if size < SIZE and "site-packages" not in file.parts:
            text = file.read_text(encoding="utf-8", errors="ignore")
            texts.append(text)
            size += len(text.encode())
    return texts


def seconds(encode: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    """Of the processor, for all texts."""
    start = time.process_time()
    for place in range(0, len(texts), BATCH):
        encode(texts[place : place + BATCH])
    return time.process_time() - start


def main() -> None:
    """Print a line a round, and the medians."""
    vocab_size, rounds = (int(value) for value in (sys.argv[1:] + ["8192", "5"][len(sys.argv) - 1 :]))
    texts = library()
    size = sum(len(text.encode()) for text in texts) / 1e6
    tokenizer = train_tokenizer(texts[::8], vocab_size)
    bulk = BulkEncoder.of(tokenizer)
    if bulk is None:
        sys.exit("tiktoken can't encode as this tokenizer does.")
    if [ids.tolist() for ids in bulk.encode_batch(texts)] != tokenizer.encode_batch(texts):
        sys.exit("The ids differ.")
    print(f"{len(texts):,} texts, {size:.1f} MB, {vocab_size:,} tokens, the same ids. MB a CPU second:")
    ratios, rates = [], []
    for number in range(1, rounds + 1):
        fast, slow = size / seconds(bulk.encode_batch, texts), size / seconds(tokenizer.encode_batch, texts)
        rates.append((fast, slow))
        ratios.append(fast / slow)
        print(f"round {number}: tiktoken {fast:5.2f}   tokenizers {slow:5.2f}   {ratios[-1]:.2f} times")
    fast, slow = (statistics.median(column) for column in zip(*rates, strict=True))
    print(f"median:  tiktoken {fast:5.2f}   tokenizers {slow:5.2f}   {statistics.median(ratios):.2f} times")


if __name__ == "__main__":
    main()
