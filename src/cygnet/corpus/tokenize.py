"""From `corpus/` to `tokens/`: encode, mix the training split to its budget, keep the held-out splits as they are.

The mixture takes documents in another order than that of the files. So each is encoded once, in the order of the file,
into a scratch file of ids, and copied from there: no more than a few megabytes of text are in memory at a time.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from cygnet.corpus.document import Document
from cygnet.corpus.encoded import Encoded
from cygnet.corpus.holdout import SPLITS
from cygnet.corpus.mixture import interleave, plan, table
from cygnet.corpus.parquet import read_documents
from cygnet.corpus.proportions import Proportions, proportions_in
from cygnet.files import write_aside
from cygnet.tokens.bulk import BulkEncoder
from cygnet.tokens.shards import Ids, ShardWriter, TokenizedDocument, id_dtype
from cygnet.tokens.tokenizer import Tokenizer

HELDOUT_TOKENS = 100_000  # of each source, in each of validation and test: enough to measure by, quick to run
_CHARACTERS = 1 << 20  # encoded at a time (and one text)


def build_tokens(
    corpus: Path, tokenizer: Path, proportions: Proportions, train_tokens: int, out: Path, seed: int
) -> dict[str, Any]:
    """Tokenize a corpus into shards at `out` and return their index (see `tokens.shards` for the files).

    Every document becomes [bos] + ids + [end]. Training documents are mixed in `proportions` ("corpus": its own
    weights) until each source has given its share of `train_tokens`; validation and test hold each document once, up
    to 100,000 tokens a source.

    Raises:
        UserError: when the proportions don't sum to 1 or name a source the corpus lacks, or a file can't be read.
    """
    shares = proportions_in(corpus, proportions)
    encoder = Tokenizer.load(tokenizer)
    with write_aside(out) as folder, ExitStack() as scratch:
        folder.mkdir()
        splits = {
            split: Encoded(scratch.enter_context(TemporaryFile(dir=folder)), encoder.vocab_size) for split in SPLITS
        }
        for split, encoded in splits.items():
            for document in _encode(encoder, read_documents(corpus / f"{split}.parquet")):
                encoded.add(document)
        train = splits.pop("train")
        lengths = {source: train.lengths(source) for source in train.sources}
        mixture = plan({source: int(counts.sum()) for source, counts in lengths.items()}, shares, train_tokens)
        names = sorted({*train.sources, *(source for encoded in splits.values() for source in encoded.sources)})
        writer = ShardWriter(folder, names, encoder.vocab_size, encoder.hash)
        order = interleave(lengths, mixture.budgets, seed)
        written = writer.write_split("train", (train.read(source, place) for source, place in order))
        for split, encoded in splits.items():
            writer.write_split(split, _heldout(encoded, seed))
        sizes = {source: train.text_bytes(source) for source in train.sources}
        return writer.close(
            tokens_by_source={source: written["by_source"].get(source, {}).get("tokens", 0) for source in shares},
            proportions=shares,
            epochs_by_source=mixture.epochs,
            repeated_sources=list(mixture.repeated),
            # begin and end marks not counted
            bytes_per_token_by_source={
                source: round(sizes[source] / int((counts - 2).sum()), 4) for source, counts in lengths.items()
            },
            mixture=table(
                shares,
                mixture,
                documents={source: len(counts) for source, counts in lengths.items()},
                text_bytes=sizes,
            ),
        )


def _encode(encoder: Tokenizer, documents: Iterable[Document]) -> Iterator[TokenizedDocument]:
    dtype = id_dtype(encoder.vocab_size)
    bulk = BulkEncoder.of(encoder)  # None: a tokenizer from elsewhere, which encodes by itself
    for batch in _batches(documents):
        texts = [document.text for document in batch]
        encoded_texts: Sequence[Sequence[int] | Ids] = (bulk or encoder).encode_batch(texts)
        for document, ids in zip(batch, encoded_texts, strict=True):
            marked = np.concatenate(([encoder.bos_id], ids, [encoder.end_id])).astype(dtype)
            yield TokenizedDocument(document.source, marked, len(document.text.encode()), document.id)


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch, size = list[Document](), 0
    for document in documents:
        batch.append(document)
        size += len(document.text)
        if size >= _CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _heldout(encoded: Encoded, seed: int) -> Iterator[TokenizedDocument]:
    """Each source's documents in a seeded order, up to the last that fits the cap."""
    for source in encoded.sources:
        name = int.from_bytes(hashlib.sha256(source.encode()).digest()[:8])
        lengths, room = encoded.lengths(source), HELDOUT_TOKENS
        for place in np.random.default_rng([seed, name]).permutation(len(lengths)).tolist():
            room -= int(lengths[place])
            if room < 0:
                break
            yield encoded.read(source, place)
