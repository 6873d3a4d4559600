"""The page."""

from collections.abc import Iterator

from cygnet.lab.climb import Climb, Comparison, LeftOut
from cygnet.lab.measure import Measured
from cygnet.lab.report import rungs
from cygnet.lab.report.cautions import OF_ALL_MODELS, Caution, of_this_lab
from cygnet.lab.report.chart import accuracy_against_cost
from cygnet.page.formats import percent, signed
from cygnet.page.frame import frame
from cygnet.page.markup import Html, Section, figure, html, join, table, tiles


def render(outcome: Climb) -> str:
    """The whole page as HTML."""
    introduction = join([html('<p class="verdict">{text}</p>', text=_verdict(outcome)), tiles(_facts(outcome))])
    sections = [_ladder(outcome), *_held_out(outcome), rungs.section(outcome), _cautions(outcome), _method(outcome)]
    return frame("lab report", outcome.task.config.name, introduction, sections)


def _verdict(outcome: Climb) -> str:
    picks = outcome.picks
    if picks is None:
        return f"Not finished: {outcome.stopped}"
    if picks.warning:
        return picks.warning
    first, best = outcome.measured[0].rung, picks.held_out[picks.best]
    text = f"Best: {picks.best}, right in {percent(best.accuracy, 1)} of {len(best.graded)} items that nobody chose by"
    if picks.best != first:
        text += f" ({first}: {percent(picks.held_out[first].accuracy, 1)})"
    if picks.cheapest == picks.best:
        return f"{text}. Nothing cheaper came within {_margin(outcome)} of it."
    cheapest = picks.held_out[picks.cheapest]
    cost = f"{percent(cheapest.cost / best.cost)} of the cost" if best.cost else "no cost"
    right = percent(cheapest.accuracy, 1)
    return f"{text}. Cheapest within {_margin(outcome)} of it: {picks.cheapest}, {right} at {cost}."


def _facts(outcome: Climb) -> Iterator[tuple[str, object, object]]:
    if outcome.picks is None:
        return
    picks = {"Best": outcome.picks.best, "Cheapest": outcome.picks.cheapest}
    if picks["Best"] == picks["Cheapest"]:
        picks = {"Best and cheapest": outcome.picks.best}
    for label, name in picks.items():
        rung = outcome.picks.held_out[name]
        yield f"{label}: {name}", percent(rung.accuracy, 1), f"95 % interval {_interval(rung)}, held out"
    rung = outcome.picks.held_out[outcome.picks.cheapest]
    tokens, seconds = _each(rung, rung.usage.tokens), _each(rung, rung.usage.seconds)
    if _money(outcome):
        yield f"1,000 answers of {rung.rung}", _price(rung, outcome), f"{tokens:.0f} tokens and {seconds:.3f} s each"
    else:
        yield f"An answer of {rung.rung}", f"{tokens:.0f} tokens", f"{seconds:.3f} s"


def _ladder(outcome: Climb) -> Section:
    headers = ["", "Rung", "Right", "95 % interval", "Tokens", "Seconds", *_money(outcome), "Points"]
    rows = [_row(place, rung, outcome) for place, rung in enumerate(outcome.rungs, 1) if isinstance(rung, Measured)]
    caption = (
        "On the items to choose by. Tokens read and written, and seconds, are of one answer, money of 1,000. Points "
        "compare with the first rung, item by item, with their 95 % interval: bold where it excludes zero."
    )
    body = [
        html("<p class='note'>{caption}</p>", caption=caption),
        table(headers, rows, numbers=range(2, len(headers))),
    ]
    if outcome.measured:
        note = "Bars: 95 % intervals. The dashed line joins what nothing cheaper beats. Orange: best; green: cheapest."
        chart = figure(accuracy_against_cost(outcome, _unit(outcome)), "Accuracy against cost", note)
        body.append(html('<div class="figures">{chart}</div>', chart=chart))
    left_out = [rung for rung in outcome.rungs if isinstance(rung, LeftOut)]
    if left_out:
        body.append(html("<h3>Left out</h3>"))
        body.append(table(["Rung", "Why"], [[rung.rung, rung.reason] for rung in left_out]))
    return Section("ladder", "The ladder", join(body))


def _row(place: int, rung: Measured, outcome: Climb) -> list[object]:
    usage, comparison = rung.usage, outcome.comparisons.get(rung.rung)
    return [
        place,
        html("<strong>{name}</strong>", name=rung.rung),
        percent(rung.accuracy, 1),
        _interval(rung),
        f"{_each(rung, usage.prompt_tokens):,.0f} + {_each(rung, usage.completion_tokens):,.0f}",
        f"{_each(rung, usage.seconds):.3f}",
        *[_price(rung, outcome) for _ in _money(outcome)],
        _points(comparison) if comparison else "",
    ]


def _held_out(outcome: Climb) -> list[Section]:
    picks = outcome.picks
    if picks is None:
        return []
    rows = [
        [
            html("<strong>{name}</strong>", name=name),
            percent(rung.accuracy, 1),
            _interval(rung),
            f"{_each(rung, rung.usage.tokens):,.0f}",
            *[_price(rung, outcome) for _ in _money(outcome)],
            "" if name == picks.best else _points(picks.compare(name, picks.best)),
        ]
        for name, rung in picks.held_out.items()
    ]
    text = (
        "The best of many looks better than it is: among noisy numbers the largest tends to be a lucky one. So the "
        "picks answered items that had no say in picking them. These accuracies are the ones to expect."
    )
    headers = ["Rung", "Right", "95 % interval", "Tokens", *_money(outcome), f"Points against {picks.best}"]
    body = [html("<p>{text}</p>", text=text), table(headers, rows, numbers=range(1, len(headers)))]
    return [Section("held-out", "Checked on held-out items", join(body))]


def _cautions(outcome: Climb) -> Section:
    mine = join(_caution(caution, "problem") for caution in of_this_lab(outcome))
    every = join(_caution(caution, "chance") for caution in OF_ALL_MODELS)
    return Section("before", "Before you use it", html('<ul class="advice">{mine}{every}</ul>', mine=mine, every=every))


def _caution(caution: Caution, kind: str) -> Html:
    return html(
        '<li class="{kind}"><h3>{title}</h3><p>{text}</p></li>', kind=kind, title=caution.title, text=caution.text
    )


def _method(outcome: Climb) -> Section:
    items = outcome.task.items
    text = (
        f"{outcome.model.lm.name} was asked. Every rung answered the same {len(items.choosing)} items; "
        f"{len(items.pool)} others were kept to be shown as examples, and {len(items.held_out)} held out. "
        "Intervals of accuracies are Wilson's; differences are bootstrapped over items, in pairs. The cheapest is "
        f"what costs least among those at most {_margin(outcome)} behind the best. If you change the task "
        "and run it again until these numbers please you, they please too much: then bring new examples."
    )
    return Section("method", "How it was measured", html("<p>{text}</p>", text=text))


def _margin(outcome: Climb) -> str:
    margin = outcome.task.config.margin
    return f"{margin:g} point{'' if margin == 1 else 's'}"


def _money(outcome: Climb) -> list[str]:
    """A column's header, if there are prices."""
    return [outcome.task.config.prices.currency] if outcome.task.config.prices.are_set else []


def _unit(outcome: Climb) -> str:
    unit = outcome.measured[0].unit
    return f"{outcome.task.config.prices.currency} for 1,000 answers" if unit == "cost" else f"{unit} an answer"


def _each(rung: Measured, total: float) -> float:
    return total / len(rung.graded)


def _price(rung: Measured, outcome: Climb) -> str:
    return f"{outcome.task.config.prices.currency} {1000 * _each(rung, rung.usage.cost):,.4g}"


def _interval(rung: Measured) -> str:
    low, high = rung.interval
    return f"{100 * low:.1f} to {100 * high:.1f}"


def _points(comparison: Comparison) -> Html:
    low, high = (signed(100 * bound, 1) for bound in comparison.interval)
    text = f"{signed(100 * comparison.difference, 1)} ({low} to {high})"
    return html("<strong>{text}</strong>", text=text) if comparison.is_clear else html("{text}", text=text)
