import re
from dataclasses import replace

import pytest

from cygnet.corpus.document import Document
from cygnet.corpus.holdout import check_heldout, overlapping, split_of, split_of_key
from cygnet.errors import UserError

WORDS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
TRAIN = [
    Document("docs:a.f", "docs", f"a.f()\n\n{WORDS}", "a"),
    Document("code:a.f", "code", "def f():\n    return 1", "a"),
    Document("tasks:0", "tasks", f"Q: what is 1 + 1? {WORDS}\nA: 2", "addition", ("addition 1 1",)),
]
HELDOUT = [
    Document(
        "docs:b.g",
        "docs",
        "b.g()\n\nSomething of its own, in more than thirteen words, that training has not got.",
        "b",
    ),
    Document("tasks:1", "tasks", f"Q: what is 1 + 2? {WORDS}\nA: 3", "addition", ("addition 1 2",)),
]


def test_clean_sides_pass_and_say_what_was_compared() -> None:
    result = check_heldout(TRAIN, HELDOUT)
    assert (result["train_documents"], result["heldout_documents"]) == (3, 2)
    assert (result["heldout_units"], result["heldout_exercises"]) == (1, 1)


@pytest.mark.parametrize(
    ("leak", "named"),
    [
        (replace(HELDOUT[0], origin="a"), "modules or pages are also in training: a."),
        (replace(HELDOUT[1], keys=("addition 3 3", "addition 1 1")), "exercises are also in training: addition 1 1."),
        (replace(TRAIN[1], id="code:c", origin="c"), "texts are also in training: code:c = code:a.f."),
        (
            replace(HELDOUT[0], text=f"but {WORDS} again"),
            "passages of 13 words are also in training: docs:b.g: 'one two",
        ),
    ],
)
def test_each_kind_of_leak_is_refused_by_name(leak: Document, named: str) -> None:
    with pytest.raises(UserError, match=re.escape(named)):
        check_heldout(TRAIN, [*HELDOUT, leak])


def test_many_offenders_are_counted_not_all_printed() -> None:
    train = [replace(TRAIN[1], text=str(number), origin=f"m{number}") for number in range(9)]
    heldout = [replace(document, text=f"other {document.text}") for document in train]
    with pytest.raises(UserError, match="m0; m1; m2; m3; m4; and 4 more"):
        check_heldout(train, heldout)


def test_a_shared_run_counts_from_thirteen_words_whatever_the_line_breaks() -> None:
    words = WORDS.split()
    twelve = replace(HELDOUT[0], text=" ".join(words[:12]))
    thirteen = replace(HELDOUT[0], text="\n".join(words[:13]))
    assert overlapping(TRAIN, [twelve]) == {}
    assert overlapping(TRAIN, [thirteen]) == {"docs:b.g": " ".join(words[:13])}


def test_splits_are_fixed_by_name_and_about_as_large_as_stated() -> None:
    splits = [split_of_key(f"key {number}") for number in range(20_000)]
    for split in ("validation", "test"):
        assert 0.035 < splits.count(split) / len(splits) < 0.045
    assert split_of("struct") == "validation"
    assert split_of("sched") == "test"
    assert split_of("builtins") == "train"
