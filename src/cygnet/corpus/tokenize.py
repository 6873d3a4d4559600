"""From `corpus/` to `tokens/`: encode, mix the training split to its budget, keep the held-out splits as they are."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cygnet.corpus.document import Document
from cygnet.corpus.holdout import SPLITS
from cygnet.corpus.mixture import interleave, plan, table
from cygnet.corpus.parquet import read_documents
from cygnet.files import write_aside
from cygnet.tokens.bulk import BulkEncoder
from cygnet.tokens.shards import Ids, ShardWriter, TokenizedDocument, id_dtype
from cygnet.tokens.tokenizer import Tokenizer

HELDOUT_TOKENS = 100_000  # of each source, in each of validation and test: enough to measure by, quick to run
_BATCH = 1_000  # documents encoded at a time

BySource = dict[str, list[TokenizedDocument]]


def build_tokens(
    corpus: Path, tokenizer: Path, proportions: Mapping[str, float], train_tokens: int, out: Path, seed: int
) -> dict[str, Any]:
    """Tokenize a corpus into shards at `out` and return their index (see `tokens.shards` for the files).

    Every document becomes [bos] + ids + [end]. Training documents are mixed in `proportions` until each source has
    given its share of `train_tokens`; validation and test hold each document once, up to 100,000 tokens a source.

    Raises:
        UserError: when the proportions don't sum to 1 or name a source the corpus lacks, or a file can't be read.
    """
    encoder = Tokenizer.load(tokenizer)
    splits = {split: _encode(encoder, list(read_documents(corpus / f"{split}.parquet"))) for split in SPLITS}
    names = sorted({source for by_source in splits.values() for source in by_source})
    train = splits.pop("train")
    lengths = {source: [len(document.ids) for document in documents] for source, documents in train.items()}
    mixture = plan({source: sum(counts) for source, counts in lengths.items()}, proportions, train_tokens)
    sizes = {source: _size(documents) for source, documents in train.items()}
    with write_aside(out) as folder:
        folder.mkdir()
        writer = ShardWriter(folder, names, encoder.vocab_size, encoder.hash)
        order = interleave(lengths, mixture.budgets, seed)
        written = writer.write_split("train", (train[source][index] for source, index in order))
        for split, by_source in splits.items():
            writer.write_split(split, _heldout(by_source, seed))
        return writer.close(
            tokens_by_source={source: written["by_source"][source]["tokens"] for source in proportions},
            proportions=dict(proportions),
            epochs_by_source=mixture.epochs,
            repeated_sources=list(mixture.repeated),
            bytes_per_token_by_source={source: size["bytes_per_token"] for source, size in sizes.items()},
            mixture=table(
                proportions,
                mixture,
                documents={source: len(documents) for source, documents in train.items()},
                text_bytes={source: size["bytes"] for source, size in sizes.items()},
            ),
        )


def _encode(encoder: Tokenizer, documents: list[Document]) -> BySource:
    dtype = id_dtype(encoder.vocab_size)
    bulk = BulkEncoder.of(encoder)  # None: a tokenizer from elsewhere, which encodes by itself
    by_source: BySource = {}
    for start in range(0, len(documents), _BATCH):
        batch = documents[start : start + _BATCH]
        texts = [document.text for document in batch]
        encoded_texts: Sequence[Sequence[int] | Ids] = (bulk or encoder).encode_batch(texts)
        for document, ids in zip(batch, encoded_texts, strict=True):
            marked = np.concatenate(([encoder.bos_id], ids, [encoder.end_id])).astype(dtype)
            encoded = TokenizedDocument(document.source, marked, len(document.text.encode()), document.id)
            by_source.setdefault(document.source, []).append(encoded)
    return by_source


def _heldout(by_source: BySource, seed: int) -> Iterator[TokenizedDocument]:
    """Each source's documents in a seeded order, up to the last that fits the cap."""
    for source, documents in sorted(by_source.items()):
        name = int.from_bytes(hashlib.sha256(source.encode()).digest()[:8])
        room = HELDOUT_TOKENS
        for place in np.random.default_rng([seed, name]).permutation(len(documents)):
            room -= len(documents[place].ids)
            if room < 0:
                break
            yield documents[place]


def _size(documents: list[TokenizedDocument]) -> dict[str, Any]:
    """Bytes of text, and bytes a token (begin and end marks not counted)."""
    text_bytes = sum(document.text_bytes for document in documents)
    tokens = sum(len(document.ids) - 2 for document in documents)
    return {"bytes": text_bytes, "bytes_per_token": round(text_bytes / tokens, 4)}
