from pathlib import Path

import pytest

from cygnet.files import write_json
from cygnet.page.formats import plain_duration
from cygnet.recipe.summary import run_summary, stage_summary


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (48, "48 s"), (59.7, "1 min 00 s"), (545, "9 min 05 s"), (4330, "1 h 12 min")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert plain_duration(seconds) == text


def test_a_run_ends_with_its_ladder_and_where_to_look(tmp_path: Path) -> None:
    ladder = [{"player": "rl", "elo": 1123.4, "ci95": [1101.0, 1149.6], "games": 900}]
    report = {"recipe": "pocket", "seconds": 545, "machine": {"cpu": "Some CPU"}, "ladder": ladder}
    write_json(tmp_path / "report.json", report)
    text = run_summary(tmp_path)
    assert "pocket took 9 min 05 s on Some CPU." in text
    assert "rl            1123   [1101, 1150]" in text
    assert f"cygnet chat {tmp_path / 'rl'}" in text
    assert str(tmp_path / "report.html") in text


def test_a_stages_numbers_are_readable() -> None:
    metrics = {"loss": 1.23456, "tokens": 12_345_678, "ci95": [0.71234, 0.8], "by_family": {"sum": 0.98765, "a": None}}
    assert stage_summary(metrics, Path("sft")).split("\n") == [
        "loss: 1.235",
        "tokens: 12345678",
        "ci95: [0.7123, 0.8]",
        "by_family: sum 0.9877",
        "wrote sft",
    ]
