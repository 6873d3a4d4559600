"""Numbers on the pages are those of the kept report: `<!-- pocket:KEY -->shown<!-- /pocket -->`.

KEY is a path in docs/assets/pocket-report.json; `ladder.rl.elo` is the row of the player `rl`. What is shown is rounded
as it stands: decimals as many as are written, `%` for shares, `,` between thousands, durations in words.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cygnet.files import read_json
from cygnet.page.formats import plain_duration

MARK = re.compile(r"<!-- pocket:([\w.-]+) -->(.*?)<!-- /pocket -->")


@pytest.fixture(scope="module")
def report(root: Path) -> Mapping[str, Any]:
    found = read_json(root / "docs/assets/pocket-report.json")
    return {**found, "ladder": {row["player"]: row for row in found["ladder"]}}


def look_up(report: Any, key: str) -> Any:
    for part in key.split("."):
        report = report[int(part)] if isinstance(report, list) else report[part]
    return report


def rounded(value: Any, shown: str) -> str:
    """`value` as it should read, in the manner of `shown`."""
    if isinstance(value, str):
        return value
    if re.search(r" (s|min|h)\b", shown):
        return plain_duration(value)
    decimals = len(re.sub(r"[^\d.]", "", shown).partition(".")[2])
    text = f"{100 * value:.{decimals}f} %" if shown.endswith("%") else f"{value:,.{decimals}f}"
    return text.replace("-", "−")


def test_numbers_are_those_of_the_report(page: Path, report: Mapping[str, Any]) -> None:
    wrong = []
    for key, shown in MARK.findall(page.read_text()):
        expected = rounded(look_up(report, key), shown)
        if shown != expected:
            wrong.append(f"{key}: the page shows {shown}, the report says {expected}")
    assert not wrong, "\n".join(["", *wrong])


def test_every_number_of_the_readmes_table_is_marked(root: Path) -> None:
    table = (root / "README.md").read_text().split("<!-- numbers")[1].split("<!-- /numbers -->")[0]
    assert len(MARK.findall(table)) > 15
    unmarked = re.sub(r"<!-- numbers.*?-->|95 %|best of 4|from 0 to 1|xz -9e|pocket-report", "", MARK.sub("", table))
    assert not re.findall(r"\d+", unmarked.partition("-->")[2])


@pytest.mark.parametrize(
    ("value", "shown", "expected"),
    [
        (935_296, "1", "935,296"),
        (0.8349, "80 %", "83 %"),
        (0.8349, "80.0 %", "83.5 %"),
        (-0.045, "0.05", "−0.04"),
        (1.4142, "2.000", "1.414"),
        (587.2, "1 min 00 s", "9 min 47 s"),
        ("AMD EPYC", "Intel", "AMD EPYC"),
    ],
)
def test_rounding_follows_what_is_shown(value: Any, shown: str, expected: str) -> None:
    assert rounded(value, shown) == expected
