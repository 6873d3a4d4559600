"""What the model read, with documents to look at."""

from typing import Any

from cygnet.recipe.report.data import RunData
from cygnet.recipe.report.formats import number, percent, size
from cygnet.recipe.report.markup import Html, Section, folded, html, join, not_run, share_bar, table

_SHOWN = 1200


def section(data: RunData) -> Section:
    """The mixture table, what was dropped, and sampled documents."""
    body = not_run("corpus") if data.corpus is None else _body(data.corpus, data.tokens or {})
    return Section("data", "Data mixture", body)


def _body(corpus: dict[str, Any], tokens: dict[str, Any]) -> Html:
    intro = html(
        "<p>{documents} documents, {size}. Proportions are counted in training tokens; an epoch is one pass over a "
        "source.</p>",
        documents=number(corpus["documents"]),
        size=size(corpus["bytes"]),
    )
    missing = Html() if tokens else not_run("tokens")
    return join([intro, _mixture(corpus, tokens), missing, _dropped(corpus), _samples(corpus)])


def _mixture(corpus: dict[str, Any], tokens: dict[str, Any]) -> Html:
    def of(key: str, source: str) -> float | None:
        value: float | None = tokens.get(key, {}).get(source)
        return value

    rows = []
    for source, found in corpus["by_source"].items():
        share = of("proportions", source)
        epochs = of("epochs_by_source", source)
        rows.append(
            [
                html("<strong>{source}</strong>", source=source),
                "–" if share is None else share_bar(share, percent(share)),
                number(of("tokens_by_source", source)),
                "–" if epochs is None else f"{epochs:.1f}",
                number(found["documents"]),
                size(found["bytes"]),
            ]
        )
    return table(["Source", "Proportion", "Tokens", "Epochs", "Documents", "Size"], rows, numbers=[2, 3, 4, 5])


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
