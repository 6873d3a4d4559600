"""What every page has around its sections: head, style, contents, the switch between light and dark."""

from collections.abc import Sequence
from importlib import resources

from cygnet.page.markup import Html, Section, html, join

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} – cygnet {kind}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<nav aria-label="Contents"><a class="home" href="#top">cygnet</a><ol>{contents}</ol>
<button type="button" id="theme" hidden>Light or dark</button></nav>
<main id="top">
<header>
<p class="note">{Kind}</p>
<h1>{title}</h1>
{introduction}
</header>
{sections}
</main>
<script>{script}</script>
</body>
</html>
"""


def frame(kind: str, title: str, introduction: Html, sections: Sequence[Section]) -> Html:
    """A whole page. kind: what it is, such as "run report"; introduction: what stands between title and sections."""
    return html(
        _PAGE,
        kind=kind,
        Kind=kind.capitalize(),
        title=title,
        style=_asset("style.css"),
        script=_asset("script.js"),
        contents=join(html('<li><a href="#{a}">{t}</a></li>', a=s.anchor, t=s.title) for s in sections),
        introduction=introduction,
        sections=join(map(_section, sections)),
    )


def _section(section: Section) -> Html:
    return html(
        '<section id="{anchor}" aria-labelledby="{anchor}-title"><h2 id="{anchor}-title">{title}</h2>{body}</section>',
        anchor=section.anchor,
        title=section.title,
        body=section.body,
    )


def _asset(name: str) -> Html:
    return Html((resources.files("cygnet.page") / name).read_text(encoding="utf-8"))
