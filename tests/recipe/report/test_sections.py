"""What figures and tables say they show is what they show."""

import html
import re

from cygnet.recipe.report import build_report


def section(run, key):
    build_report(run)
    page = (run / "report.html").read_text()
    return html.unescape(re.search(rf'<section id="{key}".*?</section>', page, re.DOTALL)[0])


def test_scores_of_comparisons_are_the_contractors(run):
    text = section(run, "reward")
    assert "Contractor's score" in text
    assert "Contractor's scores apart by" in text
    assert "with noise" in text
    assert "gold" not in text.lower()


def test_rl_is_drawn_over_updates(run):
    text = section(run, "rl")
    assert "update" in text
    assert "iteration" not in text


def test_the_curve_and_its_reference_name_their_splits(run, edit):
    text = section(run, "pretrain")
    assert "the validation split" in text
    assert "xz on the test split" in text
    edit(run / "lineage.json", lambda lineage: lineage["stages"]["pretrain"]["metrics"].pop("xz_bits_per_byte"))
    assert "xz" not in section(run, "pretrain")


def test_the_version_is_told_once_however_many_steps_have_code_of_their_own(run, edit):
    def tell_apart(lineage):
        for number, stage in enumerate(lineage["stages"].values()):
            stage["version"] = f"0.1.0+{number:016x}"

    edit(run / "lineage.json", tell_apart)
    assert "<dt>cygnet</dt><dd>0.1.0</dd>" in section(run, "run")
