"""How text is cut into tokens."""

from collections.abc import Iterator

from cygnet.recipe.report.data import RunData
from cygnet.recipe.report.formats import number
from cygnet.recipe.report.markup import Html, Section, html, join, not_run, table
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
    texts = {source: [sample["text"] for sample in found] for source, found in samples.items() if found}
    if not texts:
        return intro
    rows = [[source, *_compression(tokenizer, found)] for source, found in texts.items()]
    headers = ["Source", "Bytes", "Tokens", "Bytes per token"]
    note = html('<p class="note">Measured on the sampled documents. More bytes per token means shorter sequences.</p>')
    splits = join(_split(source, found[0][:_SHOWN], tokenizer) for source, found in texts.items())
    return join([intro, table(headers, rows, numbers=[1, 2, 3]), note, html("<h3>Tokens, colored</h3>"), splits])


def _compression(tokenizer: Tokenizer, texts: list[str]) -> tuple[str, str, str]:
    size = sum(len(text.encode()) for text in texts)
    count = sum(len(tokenizer.encode(text)) for text in texts)
    return number(size), number(count), f"{size / count:.2f}"


def _split(source: str, text: str, tokenizer: Tokenizer) -> Html:
    pieces = join_inline(_pieces(tokenizer, text))
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


def join_inline(pieces: Iterator[str]) -> Html:
    """Pieces as neighboring spans, with nothing between them."""
    return Html("".join(html("<span>{piece}</span>", piece=piece) for piece in pieces))
