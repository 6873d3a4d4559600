"""The texts a tokenizer is trained on: the mixture that the model will read."""

from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cygnet.corpus.mixture import interleave, plan
from cygnet.corpus.parquet import read_documents
from cygnet.corpus.proportions import Proportions, proportions_in


def tokenizer_texts(corpus: Path, proportions: Proportions, seed: int) -> Iterator[str]:
    """Training documents in these proportions (counted in bytes), as many as the scarcest source has without repeats.

    They come in the order of the file, few in memory at a time: a tokenizer only counts them.

    Raises:
        UserError: when the corpus can't be read, lacks a source, or the proportions aren't shares above 0.
    """
    shares, path = proportions_in(corpus, proportions), corpus / "train.parquet"
    sizes = {source: array("q") for source in shares}
    for document in read_documents(path):
        if document.source in sizes:
            sizes[document.source].append(len(document.text.encode()))
    totals = {source: sum(counts) for source, counts in sizes.items()}
    # `plan` refuses shares that are not above 0
    room = min((totals[source] / share for source, share in shares.items() if share > 0), default=0)
    budgets = plan(totals, shares, int(room)).budgets
    chosen = {source: np.zeros(len(counts), bool) for source, counts in sizes.items()}
    for source, place in interleave(sizes, budgets, seed):
        chosen[source][place] = True
    return _texts(path, chosen)


def _texts(path: Path, chosen: Mapping[str, npt.NDArray[np.bool_]]) -> Iterator[str]:
    """The texts of the documents whose place among those of their source is chosen."""
    places = dict.fromkeys(chosen, 0)
    for document in read_documents(path):
        if (source := document.source) in places:
            if chosen[source][places[source]]:
                yield document.text
            places[source] += 1
