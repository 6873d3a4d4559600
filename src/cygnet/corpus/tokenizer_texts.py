"""The texts a tokenizer is trained on: the mixture that the model will read."""

from collections.abc import Mapping
from pathlib import Path

from cygnet.corpus.mixture import interleave, plan
from cygnet.corpus.parquet import read_documents


def tokenizer_texts(corpus: Path, proportions: Mapping[str, float], seed: int) -> list[str]:
    """Training documents in these proportions (counted in bytes), as many as the scarcest source has without repeats.

    Raises:
        UserError: when the corpus can't be read, lacks a source, or the proportions aren't shares above 0.
    """
    texts: dict[str, list[str]] = {}
    for document in read_documents(corpus / "train.parquet"):
        texts.setdefault(document.source, []).append(document.text)
    sizes = {source: [len(text.encode()) for text in texts.get(source, [])] for source in proportions}
    # `plan` refuses shares that are not above 0
    room = min((sum(sizes[source]) / share for source, share in proportions.items() if share > 0), default=0)
    budgets = plan({source: sum(counts) for source, counts in sizes.items()}, proportions, int(room)).budgets
    return [texts[source][index] for source, index in interleave(sizes, budgets, seed)]
