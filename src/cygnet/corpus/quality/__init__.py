"""How good a text is: metrics measured once, rules that decide over them, and a filter learned from examples."""

from cygnet.corpus.quality.bad_words import BAD_WORDS, BadWords
from cygnet.corpus.quality.learned import Heldout, QualityFilter, keep_pareto, top_share_threshold, train_filter
from cygnet.corpus.quality.lines import C4_LINES, FINEWEB_LINES, LineRules, c4_lines
from cygnet.corpus.quality.metrics import METRICS, metrics
from cygnet.corpus.quality.rules import PRESETS, Failure, Preset, Rule, failures, preset, verdict, with_bounds

__all__ = [
    "BAD_WORDS",  # the rule for a list of words of your own
    "C4_LINES",  # C4's line rules
    "FINEWEB_LINES",  # the same without terminal punctuation
    "METRICS",  # every metric's name, and what it is
    "PRESETS",  # gopher, c4, fineweb-paper, fineweb-code
    "BadWords",  # such a list
    "Failure",  # a broken rule and the value
    "Heldout",  # how a learned filter did on texts it had not seen
    "LineRules",  # which lines stay
    "Preset",  # rules, and the edit of kept texts
    "QualityFilter",  # a learned filter
    "Rule",  # a bound on a metric
    "c4_lines",  # take out the lines that C4 takes out
    "failures",  # every rule that a text breaks
    "keep_pareto",  # GPT-3's dice over its scores
    "metrics",  # measure a text
    "preset",  # a preset by name
    "top_share_threshold",  # the score from which on texts are the top share
    "train_filter",  # learn one from good and crawl texts
    "verdict",  # the first rule that a text breaks
    "with_bounds",  # the rules with other bounds
]
