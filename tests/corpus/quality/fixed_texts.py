"""A fixed set of texts of our own making, on both sides of every rule: the same in every process and Python."""

import random
from collections.abc import Iterator

_WORDS = """
    the be to of and that have with a in is it for on as are this by from or an at which not can has its when they will
    swan river bridge garden window letter morning winter stone village market teacher story question answer machine
    number table paper picture kitchen mountain harbour engine journey weather message summer forest silver carefully
    slowly often rarely because although between without through against during before after under over large small
    old young quiet bright early late open closed simple difficult beautiful ordinary possible travelled remembered
    explained discovered followed carried painted measured repaired counted answered wondered listened
""".split()
_ABSTRACT = "internationalisation counterrevolutionaries incomprehensibility electroencephalography".split()


def fixed_texts() -> dict[str, str]:
    """Name → text."""
    return dict([*_edges(), *_sweeps(), *_phrases()])


def _sentence(rng: random.Random, words: int | None = None) -> str:
    chosen = [_WORDS[rng.randrange(len(_WORDS))] for _ in range(words or rng.randint(6, 16))]
    if len(chosen) > 8 and rng.random() < 0.5:
        chosen[4] += ","
    return " ".join(chosen).capitalize() + rng.choice(".....?!")


def _paragraph(rng: random.Random, sentences: int = 4) -> str:
    return " ".join(_sentence(rng) for _ in range(sentences))


def prose(seed: int, paragraphs: int = 6) -> str:
    """A text that breaks no rule."""
    rng = random.Random(seed)
    return "\n\n".join(_paragraph(rng) for _ in range(paragraphs))


def _edges() -> Iterator[tuple[str, str]]:
    """Cases where implementations differ, or where a text is hardly one."""
    good = prose(1)
    yield "one word", "Word"
    yield "one line", "Just a single line without an end"
    yield "blank lines", "\n\n\n"
    yield "symbols only", "!? ... --- ### ... !!! (((" * 20
    yield "digits", " ".join(map(str, range(400))) + "."
    yield "49 words", _sentence(random.Random(2), 49)
    yield "50 words", _sentence(random.Random(2), 50)
    yield "lorem ipsum", good + "\nLorem Ipsum dolor sit amet."
    yield "lorem ipsum in a short line", good + "\nLorem ipsum"
    yield "lorem ipsum without an end", good + "\nlorem ipsum dolor sit amet"
    yield "bracket", good + "\nThis is {a bracket} in a line."
    yield "bracket without an end", good + "\nvoid main(int n) {"
    yield "bracket in a javascript line", good + "\nEnable JavaScript {now} to go on."
    yield "bracket in a policy line", good + "\nThis {site} uses cookies to work."
    yield "javascript in every line", "\n".join(f"{line} javascript." for line in good.split("\n"))
    yield "policy", good + "\nRead our privacy policy and the terms of use."
    yield "citations", good.replace(",", " [1],").replace(".", "[edit].", 3) + " Is it so [citation needed]?"
    yield "word of 1,001 letters", good + "\nIt was a " + "long" * 250 + "g word indeed."
    yield "word of 1,000 letters", good + "\nIt was a " + "long" * 250 + " word indeed."
    yield "ellipsis at the ends", "\n".join(_sentence(random.Random(n)) + ".." for n in range(30))
    yield "ellipsis character", "\n".join(_sentence(random.Random(n))[:-1] + "…" for n in range(30))
    yield "other line breaks", good.replace("\n\n", "\r\n\r\n")
    yield "separators", good.replace("\n\n", "\u2028").replace(",", "\x0b")
    yield "other scripts", "\n".join("これは試験の文章です。とても短い。" for _ in range(9)) + "\n" + good
    yield "danda", "\n".join(_sentence(random.Random(n))[:-1] + "।" for n in range(40))
    yield "no space between sentences", good.replace(". ", ".")
    yield "initials", "\n".join(f"{line} By J. R. R. Swan and Dr. A. B. Stone." for line in good.split("\n\n"))
    yield (
        "contractions",
        " ".join(f"I don't think that it's {word}, we're sure they've {word}." for word in _WORDS[:60]),
    )
    yield "quotes", "\n".join(f"“{line}” said the 'swan' (twice)." for line in good.split("\n\n"))
    yield "code", "\n".join(f"def swan_{n}(self, x=None):\n    return self.x[{n}] + x" for n in range(40))
    yield "table", "\n".join(f"| {n} | swan | {n * n} | +-----+ |" for n in range(60))
    yield "title and prose", "A TITLE\n=======\n\n" + good
    yield "urls", "\n".join(f"See http://swan.example/{word}/a?b=c&d={n} of the swan." for n, word in enumerate(_WORDS))


def _random_words(rng: random.Random, count: int) -> list[str]:
    return ["".join(rng.choice("aeioubdfgklmnprst") for _ in range(rng.randint(3, 8))) for _ in range(count)]


def _phrases() -> Iterator[tuple[str, str]]:
    """A phrase of some length again and again among words that don't return."""
    for length in range(2, 13):
        for times in (2, 5, 8, 9, 10, 11, 12, 13, 15, 20):
            rng = random.Random(100 * length + times)
            phrase = " ".join(_random_words(rng, length))
            between = 400 // times - length
            parts = [f"{phrase} {' '.join(_random_words(rng, max(1, between)))}" for _ in range(times)]
            yield f"{length} words {times} times", f"Of the swan. {' '.join(parts)}."
    for times in range(2, 30, 3):
        rng = random.Random(times)
        line, others = _sentence(rng, 60), [_sentence(rng, 9) for _ in range(70)]
        for name, gap in (("line", "\n"), ("paragraph", "\n\n")):
            yield f"a long {name} {times} times", gap.join(others + [line] * times)
        ends = [" ".join(_random_words(rng, 3)).replace(" ", "ababa ") for _ in range(60)]
        yield (
            f"three words a line {times}",
            "\n".join(text + "ababab." * (number % 30 < times) for number, text in enumerate(ends)),
        )
        dots = [word + "..." * (rng.randrange(60) < times) for word in _random_words(rng, 200)]
        yield f"ellipses {times}", f"Of the swan. {' '.join(dots)} ended."


def _sweeps() -> Iterator[tuple[str, str]]:
    """One property at a time, from nothing to far over its bound."""
    for seed in range(6):
        yield f"prose {seed}", prose(seed + 10, paragraphs=2 + 3 * seed)
    for share in range(0, 100, 9):
        rng = random.Random(share)
        lines = [_sentence(rng) for _ in range(60)]

        def some(change: str, texts: list[str] = lines, share: int = share, rng: random.Random = rng) -> str:
            return "\n".join(change.format(text) if 100 * rng.random() < share else text for text in texts)

        yield f"bullets {share} %", some("- {}")
        yield f"hashes {share} %", some("# {} ## #")
        yield f"ends in ellipsis {share} %", some("{}..")
        yield f"short lines {share} %", some("{:.25}")
        yield f"no end {share} %", some("{} swan")
        yield f"numbers {share} %", some("{} 1 2 3 4 / 5 = 6")
        yield f"one line again {share} %", some("The swan was on the river in the morning.{:.0}")
        yield f"phrases {share} %", some("As far as anyone in the old village by the river knew, {}")
        yield f"long words {share} %", some(f"{' '.join(_ABSTRACT)}. {{:.9}}")
        paragraphs = [_paragraph(rng, 2) for _ in range(20)]
        again = [paragraphs[0] if 100 * rng.random() < share else text for text in paragraphs]
        yield f"one paragraph again {share} %", "\n\n".join(again)
        yield (
            f"pairs {share} %",
            " ".join("swan river," if 100 * rng.random() < share else _WORDS[n % 90] for n in range(300)),
        )
