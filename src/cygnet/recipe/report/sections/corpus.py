"""What the model read, with documents to look at."""

from typing import Any

from cygnet.page.formats import number, percent, size
from cygnet.page.markup import Html, Section, folded, html, join, share_bar, table
from cygnet.recipe.report.data import RunData
from cygnet.recipe.report.words import not_run

_SHOWN = 1200


def section(data: RunData) -> Section:
    """The mixture table, what was dropped, and sampled documents."""
    return Section(
        "data", "Data mixture", not_run("corpus") if data.corpus is None else _body(data.corpus, data.tokens)
    )


def _body(corpus: dict[str, Any], tokens: dict[str, Any] | None) -> Html:
    check = corpus["heldout_check"]
    intro = html(
        "<p>{documents} documents, {size}. {heldout} of them are held out; they were checked against the {train} that "
        "are trained on, by module, exercise, text and passages of {words} words: {result}.</p>",
        documents=number(corpus["documents"]),
        size=size(corpus["bytes"]),
        heldout=number(check["heldout_documents"]),
        train=number(check["train_documents"]),
        words=check["passage_words"],
        result=check["result"],
    )
    mixture = not_run("tokens") if tokens is None else _mixture(tokens["mixture"])
    return join([intro, mixture, _dropped(corpus), _samples(corpus)])


def _mixture(rows: list[dict[str, Any]]) -> Html:
    """As in LLaMA's table 1 (https://arxiv.org/abs/2302.13971), over the training split."""
    cells = [
        [
            html("<strong>{source}</strong>", source=row["source"]),
            share_bar(row["proportion"], percent(row["proportion"])),
            number(row["tokens"]),
            f"{row['epochs']:.1f}",
            number(row["documents"]),
            size(row["bytes"]),
        ]
        for row in rows
    ]
    made = table(["Source", "Proportion", "Tokens", "Epochs", "Documents", "Size"], cells, numbers=[2, 3, 4, 5])
    note = html(
        '<p class="note">Proportions are shares of the training tokens; an epoch is one pass over a source.</p>'
    )
    return join([made, note])


def _dropped(corpus: dict[str, Any]) -> Html:
    rows = [
        [source, rule.replace("_", " "), number(count)]
        for source, found in corpus["by_source"].items()
        for rule, count in found["dropped"].items()
    ]
    return (
        folded("Documents dropped, by rule", table(["Source", "Rule", "Documents"], rows, numbers=[2]))
        if rows
        else Html()
    )


def _samples(corpus: dict[str, Any]) -> Html:
    heading = html("<h3>Sampled documents</h3>")
    return join([heading, *(_source(source, samples) for source, samples in corpus["samples"].items())])


def _source(source: str, samples: list[dict[str, str]]) -> Html:
    texts = join(
        html("<h4>{id}</h4><pre>{text}</pre>", id=sample["id"], text=_shortened(sample["text"])) for sample in samples
    )
    return folded(f"{source}: {len(samples)} documents", texts)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}\n… ({len(text) - _SHOWN:,} more characters)"
