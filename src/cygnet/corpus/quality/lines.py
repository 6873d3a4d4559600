"""C4's edits: lines that are taken out of a text before it is judged.

Raffel et al. 2020, "Exploring the limits of transfer learning" (arXiv:1910.10683), section 2.2, and the code that made
the data set, which has two rules more (policy phrases, words of more than 1,000 characters). These rules change the
text, so they are no rules over metrics: `Preset.lines` says which presets apply them, and with which options. C4's
last rule, that a span of three sentences occurs once in the whole data set, belongs to deduplication.
"""

import re
from collections import Counter
from dataclasses import dataclass, replace

_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
_ENDS = (".", "?", "!", '"', "'")
_POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


@dataclass(frozen=True)
class LineRules:
    """Which lines stay. The defaults are C4's; FineWeb keeps lines without terminal punctuation."""

    terminal_punctuation: bool = True  # end in . ? ! " or ', and not in ...
    min_words: int = 3
    max_word_length: int = 1_000
    javascript: bool = True  # drop lines that mention it
    policy: bool = True  # drop lines with one of six phrases on cookies, privacy and terms of use
    citations: bool = True  # cut [1], [edit] and [citation needed] out of lines


C4_LINES = LineRules()
FINEWEB_LINES = LineRules(terminal_punctuation=False)


@dataclass(frozen=True)
class Edited:
    """The lines that stayed, what was taken out, and what C4 drops a whole page for.

    `removed` has each line taken out, with the first reason of: too_long_word, too_few_words,
    no_terminal_punctuation, javascript, policy. `cited` has the lines that citations were cut out of, before and after
    that, whether they stayed or not. `lorem_ipsum` and `curly_brackets` are how many lines have such a
    thing. C4 looks for lorem ipsum before it drops lines for javascript and policy, and for brackets between the two;
    so do these.
    """

    lines: list[str]
    removed: list[tuple[str, str]]
    cited: list[tuple[str, str]]
    citations: int
    lorem_ipsum: int
    curly_brackets: int


def c4_lines(text: str, rules: LineRules = C4_LINES) -> tuple[str, Counter[str]]:
    """The text without the lines that C4 drops; how many lines went by reason, and citations ("citation").

    Lines that stay are stripped and parted by one line break; blank ones count among those of too few words.
    """
    edited = edit(text, rules)
    counts = Counter(reason for reason, _ in edited.removed)
    if edited.citations:
        counts["citation"] = edited.citations
    return "\n".join(edited.lines).strip(), counts


def edit(text: str, rules: LineRules) -> Edited:
    """`c4_lines` with the lines themselves, and the two counts that C4 judges the page by."""
    passable = _passable(text, rules)
    return _edited(_terminated(passable) if rules.terminal_punctuation else passable, rules)


def edit_both(text: str) -> tuple[Edited, Edited]:
    """What C4 makes of a text and what FineWeb does: `edit` with the rules of each, in one go."""
    passable = _passable(text, C4_LINES)
    terminated = _terminated(passable)
    fineweb = _edited(passable, FINEWEB_LINES)
    return (_edited(terminated, C4_LINES) if terminated.removed != passable.removed else fineweb), fineweb


@dataclass(frozen=True)
class _Lines:
    lines: list[str]
    removed: list[tuple[str, str]]
    cited: list[tuple[str, str]]
    citations: int


def _passable(text: str, rules: LineRules) -> _Lines:
    """Lines that have enough words and none too long, without citations (they count as words, as in C4's code)."""
    kept, removed, cited, cut = [], [], [], 0
    cites = rules.citations and "[" in text
    for raw in text.splitlines():
        line = raw.strip()
        if len(line) > rules.max_word_length and max(map(len, line.split())) > rules.max_word_length:
            removed.append(("too_long_word", line))
        elif len(line.split(None, rules.min_words)) < rules.min_words:
            removed.append(("too_few_words", line))
        else:
            if cites and "[" in line:
                before = line
                line, found = _CITATION.subn("", line)
                if found:
                    cited.append((before, line))
                    cut += found
            kept.append(line)
    return _Lines(kept, removed, cited, cut)


def _terminated(passable: _Lines) -> _Lines:
    ends = [line.endswith(_ENDS) and not line.endswith("...") for line in passable.lines]
    kept = [line for line, ended in zip(passable.lines, ends, strict=True) if ended]
    removed = [("no_terminal_punctuation", line) for line, ended in zip(passable.lines, ends, strict=True) if not ended]
    return replace(passable, lines=kept, removed=passable.removed + removed)


def _edited(passable: _Lines, rules: LineRules) -> Edited:
    """Without lines that have forbidden phrases. Most texts have none at all, so their lines are not searched."""
    lower = "\n".join(passable.lines).lower()
    phrases = [("javascript", "javascript")] if rules.javascript else []
    phrases += [("policy", phrase) for phrase in _POLICY] if rules.policy else []
    present = [(reason, phrase) for reason, phrase in phrases if phrase in lower]
    kept, removed, lorem, brackets = passable.lines, [], lower.count("lorem ipsum"), 0
    if lorem:
        lorem = sum("lorem ipsum" in line.lower() for line in kept)
    if present:
        kept = []
        for line in passable.lines:
            reason = next((reason for reason, phrase in present if phrase in line.lower()), None)
            brackets += reason == "policy" and "{" in line
            if reason:
                removed.append((reason, line))
            else:
                kept.append(line)
    if "{" in lower:
        brackets += sum("{" in line for line in kept)
    return Edited(kept, passable.removed + removed, passable.cited, passable.citations, lorem, brackets)
