"""How text is cut into tokens."""

from collections.abc import Iterator
from typing import Any

from cygnet.page.formats import number
from cygnet.page.markup import Html, Section, html, join, table
from cygnet.recipe.report.data import RunData
from cygnet.recipe.report.words import not_run
from cygnet.tokens.tokenizer import Tokenizer

_SHOWN = 400


def section(data: RunData) -> Section:
    """Compression on the sampled documents, and one sample of each source cut into its tokens."""
    body = not_run("tokenizer") if data.tokenizer is None else _body(data, data.tokenizer)
    return Section("tokenizer", "Tokenizer", body)


def _body(data: RunData, tokenizer: Tokenizer) -> Html:
    intro = html(
        "<p>Byte-level BPE with {size} entries: any text, in any language, goes through it and back without loss.</p>",
        size=number(tokenizer.vocab_size),
    )
    samples: dict[str, list[dict[str, str]]] = (data.corpus or {}).get("samples", {})
    splits = [_split(source, found[0]["text"][:_SHOWN], tokenizer) for source, found in samples.items() if found]
    heading = html("<h3>Tokens, colored</h3>") if splits else Html()
    return join([intro, _compression(data.tokens or {}), heading, *splits])


def _compression(tokens: dict[str, Any]) -> Html:
    found: dict[str, float] = tokens.get("bytes_per_token_by_source", {})
    if not found:
        return Html()
    rows = [[source, f"{ratio:.2f}"] for source, ratio in found.items()]
    note = html('<p class="note">Over all training documents. More bytes in a token means shorter sequences.</p>')
    return html('<div class="narrow">{t}{n}</div>', t=table(["Source", "Bytes per token"], rows, numbers=[1]), n=note)


def _split(source: str, text: str, tokenizer: Tokenizer) -> Html:
    pieces = Html("".join(html("<span>{piece}</span>", piece=piece) for piece in _pieces(tokenizer, text)))
    return html('<h4>{source}</h4><pre class="tokens">{pieces}</pre>', source=source, pieces=pieces)


def _pieces(tokenizer: Tokenizer, text: str) -> Iterator[str]:
    """The text of each token; tokens that share one character are shown as one piece."""
    pending = b""
    for token in tokenizer.encode(text):
        pending += tokenizer.decode_bytes([token])
        try:
            piece = pending.decode()
        except UnicodeDecodeError:
            continue
        yield piece
        pending = b""
