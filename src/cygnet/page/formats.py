"""Numbers and names as a reader wants them. A number never parts from its unit at the end of a line."""

import re

_SPACE = "\N{NO-BREAK SPACE}"


def number(value: float | None, digits: int = 3) -> str:
    """12345678 -> 12.3M, 1234 -> 1,234, 0.5 -> 0.500; None -> a dash."""
    if value is None:
        return "–"
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e5, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if unit == 'k' else size):.3g}{unit}"
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.{digits}f}" if abs(value) < 100 else f"{value:,.0f}"


def percent(share: float | None, digits: int = 0) -> str:
    """0.826 -> 83 %; None -> a dash."""
    return "–" if share is None else f"{100 * share:.{digits}f}{_SPACE}%"


def signed(value: float, digits: int = 2) -> str:
    """+0.12 or −0.12, with a real minus."""
    return f"{value:+.{digits}f}".replace("-", "−")


def interval(bounds: list[float] | None, digits: int = 2) -> str:
    """[0.09, 0.15] -> 0.09 to 0.15; None -> a dash."""
    if bounds is None:
        return "–"
    return f"{bounds[0]:,.{digits}f} to {bounds[1]:,.{digits}f}".replace("-", "−")


def duration(seconds: float | None) -> str:
    """As `plain_duration` says it, numbers kept beside their units: 48 s, 9 min 05 s, 1 h 12 min; None -> a dash."""
    return "–" if seconds is None else re.sub(r"(?<=\d) ", _SPACE, plain_duration(seconds))


def plain_duration(seconds: float) -> str:
    """Seconds as people say them: "48 s", "9 min 05 s", "1 h 12 min"."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def size(value: float | None) -> str:
    """Bytes in decimal units: 4.1 MB; None -> a dash."""
    if value is None:
        return "–"
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= limit:
            return f"{value / limit:.1f}{_SPACE}{unit}"
    return f"{value:.0f}{_SPACE}B"
