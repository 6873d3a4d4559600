"""Who beats whom."""

from typing import Any

from cygnet.page.charts import interval_chart
from cygnet.page.formats import interval, number, percent, signed
from cygnet.page.markup import Html, Section, figure, html, join, table
from cygnet.recipe.report.data import RunData
from cygnet.recipe.report.words import not_run, player_name


def section(data: RunData) -> Section:
    """Ratings with intervals, the win matrix and the leads that follow from them."""
    return Section("ladder", "The ladder", not_run("rank") if data.ladder is None else _body(data.ladder))


def _body(ladder: dict[str, Any]) -> Html:
    intro = html(
        "<p>Every pair of models answered the same {prompts} held-out prompts; {judges} judged the "
        "{games} games without knowing who wrote what. {ties} of the games were ties. Ratings are Bradley–Terry "
        "strengths on the Elo scale, centered on 1,000: 100 points ahead means winning 64 % of games.</p>",
        prompts=number(ladder["prompts"]),
        judges="the " + " and the ".join(ladder["judges"]),
        games=number(ladder["games"]),
        ties=percent(ladder["tie_rate"]),
    )
    return join([intro, _table(ladder["ladder"]), _chart(ladder["ladder"]), _matrix(ladder), _leads(ladder)])


def _table(rows: list[dict[str, Any]]) -> Html:
    cells = [
        [
            "–".join(str(rank) for rank in dict.fromkeys(row["rank"])),
            html("<strong>{name}</strong>", name=player_name(row["player"])),
            f"{row['elo']:,.0f}",
            interval(row["ci95"], 0),
            number(row["games"]),
            number(row["wins"]),
            number(row["ties"]),
        ]
        for row in rows
    ]
    return table(["Rank", "Player", "Elo", "95 % interval", "Games", "Won", "Tied"], cells, numbers=[2, 3, 4, 5, 6])


def _chart(rows: list[dict[str, Any]]) -> Html:
    names = [player_name(row["player"]) for row in rows]
    chart = interval_chart("ladder", names, [row["elo"] for row in rows], [row["ci95"] for row in rows], "Elo")
    caption = (
        "The dot is the rating, the bar its 95 % interval when prompts are drawn anew. Bars that overlap share a rank."
    )
    return html('<div class="narrow">{figure}</div>', figure=figure(chart, "Ratings and intervals", caption))


def _matrix(ladder: dict[str, Any]) -> Html:
    players = [row["player"] for row in ladder["ladder"]]
    rows = [
        [html("<strong>{name}</strong>", name=player_name(player))]
        + [_share(ladder["win_matrix"][player][other]) for other in players]
        for player in players
    ]
    headers = ["", *(f"vs {player_name(player)}" for player in players)]
    caption = html("<p class='note'>Share of points the row took from the column; a tie is half a point.</p>")
    numbers = range(1, len(headers))
    return join([html("<h3>Who beats whom</h3>"), table(headers, rows, numbers), caption])


def _share(share: float | None) -> Html:
    if share is None:
        return html('<span class="dim">–</span>')
    return html(
        '<span class="heat" style="--heat:{heat}%">{share}</span>', heat=round(60 * share), share=percent(share)
    )


def _leads(ladder: dict[str, Any]) -> Html:
    rows = [
        [
            f"{player_name(row['player'])} over {player_name(row['over'])}",
            signed(row["elo"], 0),
            interval(row["ci95"], 0),
            "yes" if row["ci95"][0] > 0 else "no",
        ]
        for row in ladder["differences"]
    ]
    note = html(
        '<p class="note">Both ratings of a lead come from the same resampled prompts, so a lead can be clear of zero '
        "although the two intervals above overlap.</p>"
    )
    headers = ["Lead", "Elo points", "95 % interval", "Clear of zero"]
    return join([html("<h3>Leads</h3>"), table(headers, rows, numbers=[1, 2]), note])
