"""Charts leave colors and fonts to the page, keep their ids apart, and draw what they are given."""

import re

import pytest

from cygnet.page.charts import Series, interval_chart, line_chart, smoothed

LINE = Series("loss", [0, 1, 2, 3], [4, 3, 2, 1], dots=True)


def test_charts_carry_no_color_font_or_date_of_their_own():
    svg = line_chart("loss", [LINE], "step", "nats", reference=("xz", 2.0))
    assert svg.startswith('<svg viewBox="')
    assert "var(--blue)" in svg
    assert "var(--orange)" in svg
    assert re.search(r"#[0-9a-f]{6}|font-family|<style|<metadata|https?:", svg) is None
    assert ">xz</text>" in svg


def test_the_same_chart_is_the_same_text_and_other_names_share_no_id():
    def draw(name):
        return line_chart(name, [LINE], "step", "nats")

    assert draw("a") == draw("a")
    ids = [set(re.findall(r'id="([^"]+)"', draw(name))) for name in ("a", "b")]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_labels_are_escaped():
    svg = line_chart("x", [LINE, Series("<b>&", [0, 1], [1, 2])], "step", "a < b")
    assert "<b>" not in svg
    assert "&lt;b&gt;" in svg


def test_an_interval_chart_puts_the_first_row_on_top():
    svg = interval_chart("ladder", ["best", "worst"], [1100, 900], [(1050, 1150), (800, 950)], "Elo")
    height = {name: float(re.search(rf'y="([\d.]+)"[^>]*>{name}<', svg)[1]) for name in ("best", "worst")}
    assert height["best"] < height["worst"]


def test_smoothing_keeps_lines_straight_and_calms_noise():
    line = [float(i) for i in range(100)]
    assert smoothed(line) == pytest.approx(line)
    zigzag = smoothed([float(i % 2) for i in range(100)])
    assert max(zigzag[10:-10]) - min(zigzag[10:-10]) < 0.2
    assert smoothed([]) == []
    assert smoothed([3.0]) == [3.0]
