"""What to look at next."""

from cygnet.page.markup import Html, Section, html, join
from cygnet.recipe.report.advice import Advice
from cygnet.recipe.report.data import RunData

_LABELS = {"problem": "Look at", "chance": "Would pay"}


def section(data: RunData, found: list[Advice]) -> Section:
    """The rules that spoke."""
    if found:
        body = html('<ul class="advice">{items}</ul>', items=join(map(_item, found)))
    elif data.lineage["stages"]:
        body = html("<p>None of the report's rules found anything to complain about.</p>")
    else:
        body = html('<p class="absent">Nothing has been measured yet.</p>')
    return Section("next", "What to look at next", body)


def _item(advice: Advice) -> Html:
    return html(
        '<li class="{kind}"><h3><span>{label}</span>{title}</h3><p>{evidence}</p><p>{action}</p></li>',
        kind=advice.kind,
        label=_LABELS[advice.kind],
        title=advice.title,
        evidence=advice.evidence,
        action=advice.action,
    )
