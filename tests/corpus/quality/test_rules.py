from dataclasses import replace
from pathlib import Path

import pytest

from cygnet.corpus.quality import (
    C4_LINES,
    FINEWEB_LINES,
    METRICS,
    PRESETS,
    Rule,
    failures,
    metrics,
    preset,
    verdict,
    with_bounds,
)
from cygnet.corpus.quality.bad_words import BAD_WORDS, BadWords
from cygnet.errors import UserError

RULES = (Rule("few", "words", ">=", 50), Rule("short", "mean_word_length", ">", 3), Rule("many", "words", "<", 9))


def test_presets_ask_for_metrics_that_there_are_and_edit_as_papers_do() -> None:
    assert list(PRESETS) == ["gopher", "c4", "fineweb-paper", "fineweb-code"]
    for each in PRESETS.values():
        assert {rule.metric for rule in each.rules} <= METRICS.keys()
        assert len({rule.name for rule in each.rules}) == len(each.rules)
    edits = [each.lines for each in PRESETS.values()]
    assert edits == [None, C4_LINES, FINEWEB_LINES, FINEWEB_LINES]


def test_the_first_broken_rule_is_the_verdict_and_all_are_told_with_values() -> None:
    measured = {"words": 20.0, "mean_word_length": 3.0}
    assert verdict(measured, RULES) == "few"
    assert [str(failure) for failure in failures(measured, RULES)] == [
        "few: words is 20, must be >= 50",
        "short: mean_word_length is 3, must be > 3",
        "many: words is 20, must be < 9",
    ]
    assert verdict({"words": 50.0, "mean_word_length": 4.0}, RULES[:2]) is None


@pytest.mark.parametrize(
    ("comparison", "held"), [(">=", (False, True, True)), (">", (False, False, True)), ("<=", (True, True, False)),
                             ("<", (True, False, False))]
)  # fmt: skip
def test_bounds_are_exact(comparison: str, held: tuple[bool, ...]) -> None:
    rule = replace(RULES[0], comparison=comparison)  # type: ignore[arg-type]
    assert tuple(rule.holds(value) for value in (49.0, 50.0, 51.0)) == held


def test_the_paper_and_the_code_of_fineweb_differ_on_duplicated_characters() -> None:
    measured = dict.fromkeys(METRICS, 0.0) | {"fineweb_terminal_lines": 0.5, "fineweb_duplicate_characters": 0.05}
    own = {name: [r for r in PRESETS[name].rules if r.name.startswith("fineweb_")] for name in PRESETS}
    assert verdict(measured, own["fineweb-paper"]) is None
    assert verdict(measured, own["fineweb-code"]) == "fineweb_duplicate_characters"


def test_bounds_change_by_name_without_measuring_again() -> None:
    measured = metrics("A short text of the sort that is no document.")
    assert verdict(measured, RULES) == "few"
    assert verdict(measured, with_bounds(RULES, {"few": 5})) == "many"
    assert verdict(measured, with_bounds(RULES, {"few": None, "many": 10.5})) is None


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({"fev": 1.0}, "Did you mean 'few'?"),
        ({"zzz": 1.0}, "There are: few, short, many"),
        ({"few": float("nan")}, "must be a number"),
        ({"few": True}, "must be a number"),
    ],
)
def test_a_wrong_bound_is_refused(bounds: dict[str, float], said: str) -> None:
    with pytest.raises(UserError, match=said):
        with_bounds(RULES, bounds)


def test_unknown_presets_and_metrics_not_measured_are_told() -> None:
    assert preset("c4") is PRESETS["c4"]
    with pytest.raises(UserError, match="fineweb-paper"):
        preset("fineweb")
    with pytest.raises(UserError, match="'words', which was not measured"):
        verdict({}, RULES)


def test_bad_words_are_those_of_the_users_list(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("duck\nblack swan\n\nC++\n", encoding="utf-8")
    words = BadWords(path)
    text = "A Duck, a DUCK duck and a black swan; no ducks. C++!"
    assert words.count(text) == 5
    rules = (*PRESETS["gopher"].rules, BAD_WORDS)
    assert "c4_bad_words" in [failure.rule.name for failure in failures(metrics(text) | {"bad_words": 5.0}, rules)]
    with pytest.raises(UserError, match="bad_words"):
        failures(metrics(text), rules)  # never passed over because nobody counted
    path.write_text("\n \n")
    with pytest.raises(UserError, match="is empty"):
        BadWords(path)
    with pytest.raises(UserError, match="can't be read"):
        BadWords(tmp_path / "none.txt")
