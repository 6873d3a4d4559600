"""From a token of the shards back to the document that it came from, and to what the rules said of that."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from cygnet.corpus.document import Document
from cygnet.corpus.parquet import find_document
from cygnet.corpus.pipeline.config import CorpusRecipe
from cygnet.corpus.pipeline.shards import Row, read_row
from cygnet.errors import UserError
from cygnet.files import read_json
from cygnet.terminal import printable
from cygnet.tokens.shards import open_split, read_ids
from cygnet.tokens.tokenizer import Tokenizer

_AROUND = 200  # characters shown before and after a token


@dataclass(frozen=True)
class Trace:
    """Where a token is from.

    place: of the token in its document, the begin mark being 0. start, end: its bytes in the document's text; equal
    for a mark. verdict: the document's row in `documents/` of the corpus that `cygnet corpus build` made, if there is.
    rules: what it was judged by there, all of which it passed.
    """

    token: str
    document: Document
    place: int
    start: int
    end: int
    verdict: Row | None
    rules: tuple[str, ...]


def trace(tokens: Path, index: int, split: str, corpus: Path, tokenizer: Path) -> Trace:
    """The document of token `index` of a split.

    Raises:
        UserError: when there is no such token, the shards don't say which documents they hold, or `corpus` or
            `tokenizer` is not what they were made of.
    """
    encoder = Tokenizer.load(tokenizer)
    shards = open_split(tokens, split, encoder.hash)
    if not 0 <= index < len(shards.tokens):
        raise UserError(f"{split} of {tokens} has the tokens 0 to {len(shards.tokens) - 1}, not {index}.")
    number = int(np.searchsorted(shards.offsets, index, side="right")) - 1
    document = _document(corpus, split, read_ids(tokens, split)[number])
    ids = shards.document(number).tolist()
    place = index - int(shards.offsets[number])
    exact = encoder.decode_bytes(ids[1:-1], begins=True) == document.text.encode()
    if not exact and encoder.encode(document.text, begins=True) == ids[1:-1]:
        raise UserError(
            f"{document.id!r} can't be traced: {tokenizer} writes its text otherwise (such as a ▁, a space at the "
            "beginning or a letter with a separate accent), so the bytes of a token there can't be told."
        )
    if not exact:
        raise UserError(f"{corpus} has another text as {document.id!r} than {tokens}: they don't belong together.")
    start = len(encoder.decode_bytes(ids[1:place], begins=True))
    is_mark = place in (0, len(ids) - 1)
    end = start if is_mark else len(encoder.decode_bytes(ids[1 : place + 1], begins=True))
    verdict, rules = _verdict(corpus, document) or (None, ())
    return Trace(encoder.decode([ids[place]]), document, place, start, end, verdict, rules)


def describe_trace(found: Trace) -> list[str]:
    """A trace for people."""
    document, verdict = found.document, found.verdict
    text = document.text.encode()
    before, word, after = (
        part.decode(errors="replace")
        for part in (text[: found.start], text[found.start : found.end], text[found.end :])
    )
    shown = printable(f"{before[-_AROUND:]}«{word}»{after[:_AROUND]}", keep="\n")
    where = f"number {found.place} of its document, bytes {found.start} to {found.end}"
    lines = [
        f"token     {printable(repr(found.token))}, {where}",
        f"document  {printable(document.id)}",
        f"source    {printable(document.source)}",
        f"address   {printable(document.origin if verdict is None else verdict['url'])}",
        *(f"  | {line}" for line in shown.split("\n")),
    ]
    if verdict is None:
        return [*lines, "passed    not known: this source was not built by `cygnet corpus build`"]
    edits = ", ".join(f"{count} × {name}" for name, count in (verdict["edits"] or {}).items()) or "nothing"
    measured = ", ".join(f"{name} {value:.3g}" for name, value in verdict["metrics"].items() if value is not None)
    return [
        *lines,
        f"passed    {', '.join(found.rules) or 'no rules were asked for'}",
        f"taken out {edits}",
        f"language  {verdict['language']} with {verdict['language_score']:.2f}",
        f"measured  {measured}",
    ]


def _document(corpus: Path, split: str, name: str) -> Document:
    if document := find_document(corpus / f"{split}.parquet", name):
        return document
    raise UserError(f"{corpus} has no document {name!r} in {split}: the tokens were made from another corpus.")


def _verdict(corpus: Path, document: Document) -> tuple[Row, tuple[str, ...]] | None:
    """Its row in `documents/`, and the rules there: of this corpus, or of those that the run with it made it of."""
    source, _, rest = document.id.partition("/")
    shard, _, row = rest.rpartition("/")
    if source != document.source or not row.isdecimal():
        return None
    for folder in chain([corpus, corpus.parent / "pages"], _built(corpus)):
        path = folder / "documents" / source / f"{shard}.parquet"
        if path.is_file() and (found := read_row(path, int(row))) and found["id"] == document.id:
            recipe = CorpusRecipe.model_validate(read_json(folder / "recipe.json"))
            return found, rules_for(recipe, source)
    return None


def rules_for(recipe: CorpusRecipe, source: str) -> tuple[str, ...]:
    """What may drop a text of a source, as verdicts call it; of a preset, its name."""
    preset, dedup = recipe.preset_of(source), recipe.dedup
    asked = {
        "language": bool(recipe.language.keep),
        preset or "": preset is not None,
        "learned_filter": recipe.quality.filter is not None,
        "contaminated": bool(recipe.evaluation),
        "exact_duplicate": dedup.exact,
        "near_duplicate": dedup.near,
    }
    return tuple(name for name, is_asked in asked.items() if is_asked)


def _built(corpus: Path) -> Iterator[Path]:
    """What the recipe of the run that has this corpus names as `corpus.built`.

    Raises:
        UserError: when it isn't there: a recipe's paths begin at the folder where it was run.
    """
    recipe = corpus.parent / "recipe.json"
    said: Any = read_json(recipe) if recipe.is_file() else {}
    built = said.get("corpus", {}).get("built") if isinstance(said, dict) else None
    if built and not Path(built).is_dir():
        raise UserError(
            f"{recipe} took texts of corpus.built = {built!r}, which is not here. Ask in the folder where the recipe "
            "was run, from which its paths begin."
        )
    if built:
        yield Path(built)
