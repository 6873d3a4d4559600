"""HTML that is escaped unless it says that it is HTML already."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import LiteralString


class Html(str):
    """Markup, to be written as it is. Every other value is escaped on its way in."""

    __slots__ = ()


@dataclass(frozen=True)
class Section:
    """One chapter of the page. `anchor` is its id."""

    anchor: str
    title: str
    body: Html


def markup(value: object) -> Html:
    """`value` as markup: unchanged when it is Html, escaped when it is anything else."""
    return value if isinstance(value, Html) else Html(escape(str(value), quote=True))


def html(template: LiteralString, **values: object) -> Html:
    """Fill {names} in a literal template with values, escaped where needed."""
    return Html(template.format(**{name: markup(value) for name, value in values.items()}))


def join(parts: Iterable[object]) -> Html:
    """Parts one after the other, escaped where needed."""
    return Html("\n".join(markup(part) for part in parts))


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], numbers: Sequence[int] = ()) -> Html:
    """A table in a box that scrolls sideways when it must. `numbers` are the columns aligned right."""
    classes = ["n" if i in numbers else "" for i in range(len(headers))]
    head = join(html('<th scope="col" class="{c}">{h}</th>', c=c, h=h) for h, c in zip(headers, classes, strict=True))
    body = join(
        html(
            "<tr>{cells}</tr>",
            cells=join(html('<td class="{c}">{v}</td>', c=c, v=v) for v, c in zip(row, classes, strict=True)),
        )
        for row in rows
    )
    return html(
        '<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>',
        head=head,
        body=body,
    )


def share_bar(share: float, text: str) -> Html:
    """A bar filled to `share` (0 to 1), with its value beside it."""
    width = f"{100 * min(max(share, 0.0), 1.0):.1f}%"
    return html('<div class="bar"><b><i style="width:{w}"></i></b><span>{t}</span></div>', w=width, t=text)


def figure(chart: Html, title: str, caption: str) -> Html:
    """A chart with its title above and, below, one line on how to read it."""
    return html(
        "<figure><h3>{title}</h3>{chart}<figcaption>{caption}</figcaption></figure>",
        title=title,
        chart=chart,
        caption=caption,
    )


def figures(parts: Iterable[Html]) -> Html:
    """Charts side by side where there is room."""
    return html('<div class="figures">{parts}</div>', parts=join(parts))


def folded(summary: str, body: Html) -> Html:
    """Something to open on demand."""
    return html("<details><summary>{summary}</summary><div>{body}</div></details>", summary=summary, body=body)


def tiles(facts: Iterable[tuple[str, object, object]]) -> Html:
    """The few numbers that matter most: label, value and a note each; nothing when there are none."""
    items = [
        html(
            "<div><dt>{label}</dt><dd>{value}</dd><dd class='note'>{note}</dd></div>",
            label=label,
            value=value,
            note=note,
        )
        for label, value, note in facts
    ]
    return html('<dl class="tiles">{tiles}</dl>', tiles=join(items)) if items else Html()
