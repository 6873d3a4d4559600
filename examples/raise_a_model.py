"""Raise a base model on a folder of text, with the steps of `cygnet pretrain` one by one.

python examples/raise_a_model.py TEXTS OUT
"""

import sys
from pathlib import Path

from cygnet.corpus.build import build_corpus
from cygnet.corpus.config import CorpusConfig
from cygnet.corpus.pages import build_pages, pages_recipe
from cygnet.corpus.tokenize import build_tokens
from cygnet.corpus.tokenizer_texts import tokenizer_texts
from cygnet.stages.config import PretrainConfig
from cygnet.stages.pretrain import pretrain
from cygnet.tokens.tokenizer import train_tokenizer
from cygnet.training.work import Work

MIXTURE = {"own": 1.0}


def main(texts: Path, out: Path, seed: int = 1) -> None:
    """Pages, corpus, tokenizer, tokens, model: each is a folder in `out` that the next one reads."""
    sources = CorpusConfig(sources=(), text_folder=str(texts))
    recipe = pages_recipe(sources, evaluation={})
    assert recipe is not None
    build_pages(recipe, out / "pages")
    stats = build_corpus(sources, out / "corpus", seed, out / "pages")
    print(f"{stats['documents']:,} documents, {stats['bytes']:,} bytes")

    tokenizer = train_tokenizer(tokenizer_texts(out / "corpus", MIXTURE, seed), vocab_size=512)
    tokenizer.save(out / "tokenizer")

    build_tokens(out / "corpus", out / "tokenizer", MIXTURE, 100_000, out / "tokens", seed)

    config = PretrainConfig(depth=2, context_length=128, evaluations=2)
    work = Work(out / "checkpoints", out / "metrics.jsonl", seed=seed, threads=1)
    metrics = pretrain(out / "tokens", out / "tokenizer", out / "base", config, work)
    print(f"{metrics['parameters']:,} parameters, {metrics['heldout_bits_per_byte']:.2f} bits per byte held out")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
