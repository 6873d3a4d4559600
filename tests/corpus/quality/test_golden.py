"""The same verdicts as datatrove's filters, whose FineWeb is, on texts of our own; see remake_golden.py."""

import hashlib
import importlib.util
import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from cygnet.corpus.quality import FINEWEB_LINES, PRESETS, Rule, c4_lines, failures, metrics, verdict

HERE = Path(__file__).parent
TEXTS: dict[str, str] = runpy.run_path(str(HERE / "fixed_texts.py"))["fixed_texts"]()
GOLDEN: dict[str, dict[str, Any]] = json.loads((HERE / "golden.json").read_text(encoding="utf-8"))["texts"]

NAMES = {  # datatrove's reasons, and the rules here
    "dup_para_frac": "gopher_duplicate_paragraphs",
    "dup_para_char_frac": "gopher_duplicate_paragraph_characters",
    "dup_line_frac": "gopher_duplicate_lines",
    "dup_line_char_frac": "gopher_duplicate_line_characters",
    **{f"top_{n}_gram": f"gopher_top_{n}_gram" for n in (2, 3, 4)},
    **{f"duplicated_{n}_n_grams": f"gopher_duplicate_{n}_grams" for n in range(5, 11)},
    "gopher_short_doc": "gopher_too_few_words",
    "gopher_long_doc": "gopher_too_many_words",
    "gopher_below_avg_threshold": "gopher_short_words",
    "gopher_above_avg_threshold": "gopher_long_words",
    "gopher_too_many_hashes": "gopher_hashes",
    "gopher_too_many_ellipsis": "gopher_ellipses",
    "gopher_too_many_bullets": "gopher_bullet_lines",
    "gopher_too_many_end_ellipsis": "gopher_ellipsis_lines",
    "gopher_below_alpha_threshold": "gopher_few_letters",
    "gopher_enough_stop_words": "gopher_stop_words",
    "lorem_ipsum": "c4_lorem_ipsum",
    "curly_bracket": "c4_curly_brackets",
    "too_few_sentences": "c4_too_few_sentences",
    "line_punct_ratio": "fineweb_terminal_lines",
    "short_line_ratio": "fineweb_short_lines",
    "char_dup_ratio": "fineweb_duplicate_characters",
    "list_ratio": "fineweb_lists",
}
_CODE = PRESETS["fineweb-code"].rules
RULES: dict[str, tuple[Rule, ...]] = {
    "repetition": tuple(rule for rule in _CODE if rule.name in list(NAMES.values())[:13]),
    "quality": tuple(rule for rule in _CODE if rule.name in list(NAMES.values())[13:23]),
    "c4": PRESETS["c4"].rules,
    "fineweb_c4": tuple(rule for rule in _CODE if rule.name.startswith("c4_")),
    "fineweb": tuple(rule for rule in _CODE if rule.name.startswith("fineweb_")),
}


def test_the_texts_are_those_that_datatrove_judged() -> None:
    hashes = {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in TEXTS.items()}
    assert hashes == {name: golden["sha256"] for name, golden in GOLDEN.items()}


def test_verdicts_are_datatroves() -> None:
    different = {}
    for name, text in TEXTS.items():
        measured = metrics(text)
        for asked, rules in RULES.items():
            if asked in GOLDEN[name]:
                reason = GOLDEN[name][asked]
                theirs, ours = NAMES[reason] if reason else None, verdict(measured, rules)
                if theirs != ours:
                    different[name, asked] = (theirs, [str(failure) for failure in failures(measured, rules)])
    assert different == {}


def test_every_rule_drops_some_of_the_texts_and_keeps_some() -> None:
    reasons = [golden[asked] for golden in GOLDEN.values() for asked in RULES if asked in golden]
    never = {"gopher_long_doc"}
    assert set(NAMES) - set(reasons) == never
    assert None in reasons


def test_c4_edits_a_text_to_the_same_characters() -> None:
    judged = {name for name, golden in GOLDEN.items() if "edited" in golden}
    assert len(judged) > 50
    for name in judged:
        edited = c4_lines(TEXTS[name], FINEWEB_LINES)[0]
        assert hashlib.sha256(edited.encode()).hexdigest()[:16] == GOLDEN[name]["edited"], name


@pytest.mark.skipif(importlib.util.find_spec("datatrove") is None, reason="datatrove is not installed")
def test_the_kept_verdicts_are_those_of_the_datatrove_installed_here() -> None:
    pytest.importorskip("spacy")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        verdicts = runpy.run_path(str(HERE / "remake_golden.py"))["verdicts"]
        for name, text in TEXTS.items():
            assert {"sha256": GOLDEN[name]["sha256"], **verdicts(text)} == GOLDEN[name], name
