"""Citations in an answer: which passages it names, and whether what it quotes stands there.

A checked citation says that the passage exists and has the quoted words, not that it means what the answer says.
"""

import re
from collections.abc import Mapping

_CITATION = re.compile(r"\[(\d{1,9}(?:\s*[,;]\s*\d{1,9})*)\]")
_QUOTATION = re.compile(r"“([^“”\n]+)”|„([^„“\n]+)“|«([^«»\n]+)»|\"([^\"\n]+)\"")
_WORD = re.compile(r"[぀-ヿ㐀-鿿]|[^\W_぀-ヿ㐀-鿿]+")
_ELLIPSIS = re.compile(r"\.\.\.|…")
_FEWEST_WORDS = 3  # shorter ones are names, and words held at arm's length


def cited_numbers(text: str) -> list[int]:
    """The numbers in citations such as [1] and [2, 3], each once, in the order of their first citation."""
    return list(dict.fromkeys(int(number) for found in _CITATION.findall(text) for number in re.findall(r"\d+", found)))


def without_citations(text: str) -> str:
    """The text without its citations and the blanks before them."""
    return re.sub(rf"[^\S\n]*{_CITATION.pattern}", "", text)


def check_citations(text: str, passages: Mapping[int, str], question: str = "") -> list[str]:
    """What is wrong with an answer's citations and quotations, given the passages by number; empty if nothing is.

    A quotation of three words or more must stand in the passage that is cited next in its line, or, if none is, in any
    of them; what is quoted from the question is let pass. Words are compared, not case, punctuation or markup, and an
    ellipsis stands for anything.
    """
    problems = [f"[{number}] is no passage" for number in cited_numbers(text) if number not in passages]
    for found in _QUOTATION.finditer(text):
        quotation = next(group for group in found.groups() if group is not None)
        if len(words_of(quotation)) < _FEWEST_WORDS or _holds(question, quotation):
            continue
        numbers = _cited_after(text, found.end())
        places = [passages[number] for number in numbers if number in passages] or list(passages.values())
        if not any(_holds(place, quotation) for place in places):
            where = f"passage {', '.join(map(str, numbers))}" if numbers else "any passage"
            problems.append(f"“{quotation}” does not stand in {where}")
    return problems


def says(text: str, words: str) -> bool:
    """Whether a text has these words on end, whatever their case and the signs between them."""
    wanted = words_of(words)
    return f" {' '.join(wanted)} " in f" {' '.join(words_of(text))} " if wanted else words.strip() in text


def words_of(text: str) -> list[str]:
    """Words in lower case; each Chinese or Japanese character is one."""
    return _WORD.findall(text.casefold())


def _holds(text: str, quotation: str) -> bool:
    return all(says(text, part) for part in _ELLIPSIS.split(quotation) if words_of(part))


def _cited_after(text: str, end: int) -> list[int]:
    """The numbers of the first citation after a place, in the same line and before another quotation."""
    line = text[end:].partition("\n")[0]
    found = _CITATION.search(_QUOTATION.split(line, maxsplit=1)[0])
    return [int(number) for number in re.findall(r"\d+", found[1])] if found else []
