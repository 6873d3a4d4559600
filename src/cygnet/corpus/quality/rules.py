"""Rules over metrics, and the presets that papers made known.

A rule states what a text that stays satisfies. Decisions need only the numbers, so a threshold is changed by name and
every text judged anew without reading it again.

`fineweb-code` decides as datatrove's filters do, which made FineWeb, and the golden tests compare the two. Where they
can differ: words are cut by a regular expression and not by spaCy, which tells near a bound on letters or repeated
n-grams; n-grams are compared word by word, there as joined letters; and of a page with both lorem ipsum and a bracket,
the rule named is always the first, there the one whose line comes first. `benchmarks/data/quality.py` counts.
"""

import difflib
import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cygnet.corpus.quality.lines import C4_LINES, FINEWEB_LINES, LineRules
from cygnet.errors import UserError

Comparison = Literal[">=", ">", "<=", "<"]
_COMPARE = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}


@dataclass(frozen=True)
class Rule:
    """A text stays if its `metric` is `comparison` than `bound`: Rule("short", "words", ">=", 50)."""

    name: str
    metric: str
    comparison: Comparison
    bound: float

    def holds(self, value: float) -> bool:
        """Whether a text with this value stays."""
        return bool(_COMPARE[self.comparison](value, self.bound))


@dataclass(frozen=True)
class Failure:
    """A rule that a text breaks, and the value that breaks it."""

    rule: Rule
    value: float

    def __str__(self) -> str:
        rule = self.rule
        return f"{rule.name}: {rule.metric} is {self.value:.4g}, must be {rule.comparison} {rule.bound:g}"


@dataclass(frozen=True)
class Preset:
    """Rules in the order in which they are asked, and the edit that kept texts go through (None: they stay as is)."""

    rules: tuple[Rule, ...]
    lines: LineRules | None = None


def _gopher_quality(alphabetic: str) -> tuple[Rule, ...]:
    # Rae et al. 2021, arXiv:2112.11446, section A1.1, "Quality filtering".
    return (
        Rule("gopher_too_few_words", "words", ">=", 50),
        Rule("gopher_too_many_words", "words", "<=", 100_000),
        Rule("gopher_short_words", "mean_word_length", ">=", 3),
        Rule("gopher_long_words", "mean_word_length", "<=", 10),
        Rule("gopher_hashes", "hashes_per_word", "<=", 0.1),
        Rule("gopher_ellipses", "ellipses_per_word", "<=", 0.1),
        Rule("gopher_bullet_lines", "bullet_lines", "<=", 0.9),
        Rule("gopher_ellipsis_lines", "ellipsis_lines", "<=", 0.3),
        Rule("gopher_few_letters", alphabetic, ">=", 0.8),
        Rule("gopher_stop_words", "stop_words", ">=", 2),
    )


# The same, table A1, "Repetition removal". (Paragraphs first, as datatrove asks them.)
_GOPHER_REPETITION = (
    Rule("gopher_duplicate_paragraphs", "duplicate_paragraphs", "<=", 0.30),
    Rule("gopher_duplicate_paragraph_characters", "duplicate_paragraph_characters", "<=", 0.20),
    Rule("gopher_duplicate_lines", "duplicate_lines", "<=", 0.30),
    Rule("gopher_duplicate_line_characters", "duplicate_line_characters", "<=", 0.20),
    *(Rule(f"gopher_top_{n}_gram", f"top_{n}_gram", "<=", most) for n, most in ((2, 0.20), (3, 0.18), (4, 0.16))),
    *(
        Rule(f"gopher_duplicate_{n}_grams", f"duplicate_{n}_grams", "<=", most)
        for n, most in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
    ),
)


def _c4(edit: Literal["c4", "fineweb"]) -> tuple[Rule, ...]:
    # Raffel et al. 2020, arXiv:1910.10683, section 2.2; the words on LDNOOBW's list are `bad_words.BAD_WORDS`.
    return (
        Rule("c4_lorem_ipsum", f"{edit}_lorem_ipsum", "<=", 0),
        Rule("c4_curly_brackets", f"{edit}_curly_brackets", "<=", 0),
        Rule("c4_too_few_sentences", f"{edit}_sentences", ">=", 5),
    )


# Penedo et al. 2024, "The FineWeb datasets", arXiv:2406.17557, section 3.6.
_FINEWEB_PAPER = (
    Rule("fineweb_terminal_lines", "fineweb_terminal_lines", ">", 0.12),
    Rule("fineweb_short_lines", "fineweb_short_lines", "<", 0.67),
    Rule("fineweb_duplicate_characters", "fineweb_duplicate_characters", "<", 0.1),
)

# What the data set was made with, datatrove's FineWebQualityFilter: a tenth of the paper's bound on duplicate
# characters, and a fourth rule, which the paper leaves out.
_FINEWEB_CODE = (
    Rule("fineweb_terminal_lines", "fineweb_terminal_lines", ">=", 0.12),
    Rule("fineweb_short_lines", "fineweb_short_lines", "<=", 0.67),
    Rule("fineweb_duplicate_characters", "fineweb_duplicate_characters", "<=", 0.01),
    Rule("fineweb_lists", "fineweb_newlines_per_word", "<=", 0.3),
)

# FineWeb asks Gopher's rules, then C4's, then its own, each of what the one before let pass. Its Gopher counts
# punctuation among the words of which 80 % must have a letter.
_BEFORE_FINEWEB = (*_GOPHER_REPETITION, *_gopher_quality("alphabetic_tokens"), *_c4("fineweb"))

PRESETS: Mapping[str, Preset] = {
    "gopher": Preset((*_gopher_quality("alphabetic_words"), *_GOPHER_REPETITION)),
    "c4": Preset(_c4("c4"), C4_LINES),
    "fineweb-paper": Preset((*_BEFORE_FINEWEB, *_FINEWEB_PAPER), FINEWEB_LINES),
    "fineweb-code": Preset((*_BEFORE_FINEWEB, *_FINEWEB_CODE), FINEWEB_LINES),
}


def preset(name: str) -> Preset:
    """A preset by its name. Raises UserError for one that there isn't."""
    if name not in PRESETS:
        raise UserError(f"{name!r} is not a preset of quality rules. There are: {', '.join(PRESETS)}.")
    return PRESETS[name]


def verdict(metrics: Mapping[str, float], rules: Sequence[Rule]) -> str | None:
    """The name of the first rule that a text breaks; None if it stays. Raises UserError for a metric not measured."""
    return next((rule.name for rule in rules if not rule.holds(_value(metrics, rule))), None)


def failures(metrics: Mapping[str, float], rules: Sequence[Rule]) -> list[Failure]:
    """Every rule that a text breaks, with its value. Raises UserError for a metric not measured."""
    values = ((rule, _value(metrics, rule)) for rule in rules)
    return [Failure(rule, value) for rule, value in values if not rule.holds(value)]


def with_bounds(rules: Sequence[Rule], bounds: Mapping[str, float | None]) -> tuple[Rule, ...]:
    """The rules with other bounds, by name; None leaves a rule out.

    Raises:
        UserError: for a name that no rule has, or a bound that is not a number.
    """
    names = [rule.name for rule in rules]
    for name, bound in bounds.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            advice = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names)}."
            raise UserError(f"no quality rule is called {name!r}. {advice}")
        if bound is not None and (isinstance(bound, bool) or not math.isfinite(bound)):
            raise UserError(f"the bound of {name} is {bound}: it must be a number.")
    new = ((rule, bounds.get(rule.name, rule.bound)) for rule in rules)
    return tuple(replace(rule, bound=float(bound)) for rule, bound in new if bound is not None)


def _value(metrics: Mapping[str, float], rule: Rule) -> float:
    if rule.metric not in metrics:
        raise UserError(f"rule {rule.name} asks for {rule.metric!r}, which was not measured. Measure the texts anew.")
    return metrics[rule.metric]
