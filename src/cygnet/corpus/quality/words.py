"""What a word, a symbol and the end of a sentence are, for the rules on quality.

The rules were tuned on words as spaCy's English tokenizer cuts them (FineWeb used it through datatrove), where
punctuation is a word of its own. One regular expression comes near to it: on the texts of the golden tests it leads
to the same verdicts.
"""

import re
import string

_LETTER, _ALNUM = r"[^\W\d_]", r"[^\W_]"
_TOKEN = re.compile(
    rf"""
    [a-zA-Z0-9]++(?=\s) | [.,](?=\s)      # most words, and what most often follows them
    | ['’](?:s|re|ll|ve|d|m|t)\b          # it's, don't: the end is a word
    | https?://\S*[^\W_]/?
    | (?:(?<!\S)[-/\\|@^~]+)?             # --option, /usr, @staticmethod: at an edge these belong to the word
      {_ALNUM}+
      (?: (?: (?:[^\w\s\-–—~/:<>=,…]|_)+  # os.path, rock'n'roll, snake_case
              (?<!['’](?=[smdt]\b)) (?<!['’](?=(?:re|ll|ve)\b))
            | [/:<>=,](?=\d)              # 12:30, 1/2, 1,000: broken only before letters
            | (?!--)[-/:<>=,]{{2,}}        # a==b
            | (?<={_LETTER})[-–—~](?=\d) | (?<=\d)[-–—~](?={_LETTER})  # covid-19, 3-gram: well-known is three
          )
          {_ALNUM}+
      )*
      (?:[-/\\|@^~+]+(?!\S) | (?<=\b[ei]\.[ge])\.)?  # c++, e.g.
    | \.\.+ | -+ | \):                    # an ellipsis, a rule of dashes, what spaCy takes for a face
    | \S
    """,
    re.VERBOSE,
)

STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})  # Gopher, arXiv:2112.11446, A1.1

# Characters that end a sentence in any script (Unicode's property Sentence_Terminal), as first and last of each range.
_TERMINAL = """
    21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736 17D6 17DA 1803
    1809 1944-1945 1AA8-1AAB 1B4E-1B4F 1B5A-1B5B 1B5E-1B5F 1B7D-1B7F 1C3B-1C3C 1C7E-1C7F 203C-203D 2047-2049 2E2E 2E3C
    2E53-2E54 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE52 FE56-FE57
    FF01 FF0E FF1F FF61 10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD
    111DE-111DF 11238-11239 1123B-1123C 112A9 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944 11946
    11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44 16E98 1BC9F 1DA88
"""
TERMINALS = frozenset(
    chr(code)
    for first, _, last in (entry.partition("-") for entry in _TERMINAL.split())
    for code in range(int(first, 16), int(last or first, 16) + 1)
)

# What makes a token punctuation: ASCII's, control characters, the marks of print in Europe and East Asia, and what
# ends a sentence. A bullet or an arrow does not: FineWeb's list has none, and its thresholds were set with it.
SYMBOLS = TERMINALS.union(
    string.punctuation,
    "—–…“”„’´«»〈〉《》「」【】━∶►％（），、：；～",
    map(chr, [*range(9), 11, 12, *range(13, 32), *range(127, 160)]),
)

# An end of sentence inside a line: the mark (an ellipsis is none, nor the full stop of an initial), quotes and brackets
# around it, white space, and the beginning of a word before the line ends, which is the group. It begins with one
# character of a set, because that is what re looks for fastest, and asks then whether it is the first of its run. Each
# part is possessive and none begins inside another's run: long rows of punctuation take time in proportion.
_MARK, _CLOSE = ".!?。！？", r"'\"”’)\]"
_RUN = f"[{_MARK}{_CLOSE}]"
_BOUNDARY = re.compile(
    rf"""
    {_RUN}(?<!{_RUN}{{2}})
    (?: (?<=[{_MARK}])(?<!\.(?=\.)) | (?<=[{_CLOSE}])[{_CLOSE}]*+(?!\.\.)[{_MARK}] )
    (?<!\b[A-Z]\.){_RUN}*+
    [^\S\n][^\w\n]*+(\w?)
    """,
    re.VERBOSE,
)


def split_words(text: str) -> list[str]:
    """The tokens of a text, punctuation included, in order."""
    return _TOKEN.findall(text)


def is_symbol(token: str) -> bool:
    """Whether a token is punctuation and nothing else."""
    return SYMBOLS.issuperset(token)


def has_letter(token: str) -> bool:
    """Whether a token has an alphabetic character, of any script."""
    return token.isalpha() or any(map(str.isalpha, token))


def count_sentences(lines: list[str]) -> int:
    """How many sentences lines hold: at least one each."""
    return len(lines) + sum(map(bool, _BOUNDARY.findall("\n".join(lines))))
