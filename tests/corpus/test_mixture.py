from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.corpus.mixture import describe_table, interleave, plan, table
from cygnet.errors import UserError

LENGTHS = st.dictionaries(
    st.sampled_from(["docs", "code", "tasks", "own"]), st.lists(st.integers(1, 50), min_size=1, max_size=12), min_size=1
)


@given(LENGTHS, st.integers(1, 3_000), st.integers(0, 99))
def test_every_budget_is_met_within_one_document(lengths: dict[str, list[int]], budget: int, seed: int) -> None:
    budgets = {source: budget + 37 * place for place, source in enumerate(lengths)}
    spent: Counter[str] = Counter()
    last: dict[str, int] = {}
    for source, index in interleave(lengths, budgets, seed):
        last[source] = lengths[source][index]
        spent[source] += last[source]
    for source, tokens in budgets.items():
        assert tokens <= spent[source] < tokens + last[source]


@given(LENGTHS, st.integers(1, 2_000), st.integers(0, 99), st.integers(0, 200))
def test_a_stream_continues_from_its_counters(lengths: dict[str, list[int]], budget: int, seed: int, stop: int) -> None:
    budgets = dict.fromkeys(lengths, budget)
    whole = list(interleave(lengths, budgets, seed))
    assert whole == list(interleave(lengths, budgets, seed))
    used = Counter(source for source, _ in whole[:stop])
    assert list(interleave(lengths, budgets, seed, used)) == whole[stop:]


def test_each_epoch_visits_every_document_once_in_a_new_order() -> None:
    indices = [index for _, index in interleave({"docs": [1] * 50}, {"docs": 150}, seed=3)]
    epochs = [indices[start : start + 50] for start in (0, 50, 100)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert indices != [index for _, index in interleave({"docs": [1] * 50}, {"docs": 150}, seed=4)]


def test_every_stretch_has_about_the_stated_proportions() -> None:
    lengths = {"docs": [30] * 40, "code": [100] * 40, "tasks": [10] * 40}
    budgets = {"docs": 6_000, "code": 2_000, "tasks": 2_000}
    stretch = list(islice(interleave(lengths, budgets, 0), 150, 300))
    spent: Counter[str] = Counter()
    for source, index in stretch:
        spent[source] += lengths[source][index]
    for source, budget in budgets.items():
        assert spent[source] / spent.total() == pytest.approx(budget / 10_000, abs=0.03)


def test_budgets_sum_exactly_and_epochs_follow() -> None:
    made = plan({"docs": 100, "code": 1_000, "tasks": 50}, {"docs": 1 / 3, "code": 1 / 3, "tasks": 1 / 3}, 1_000)
    assert sum(made.budgets.values()) == 1_000
    assert set(made.budgets.values()) == {333, 334}
    assert made.epochs["docs"] == made.budgets["docs"] / 100
    assert made.repeated == ("tasks",)


@pytest.mark.parametrize(
    ("proportions", "tokens", "message"),
    [
        ({"docs": 0.5, "code": 0.4}, 10, r"sum to 0\.9: they must sum to 1"),
        ({"docs": 0.5, "books": 0.5}, 10, "'books' is not a source of the corpus, which has docs, code"),
        ({"docs": 0.5, "empty": 0.5}, 10, "'empty' is not a source"),
        ({"docs": 1.5, "code": -0.5}, 10, r"proportions\.code is -0\.5: it must be above 0"),
        ({"docs": 1.0, "code": float("nan")}, 10, r"proportions\.code is nan"),
        ({}, 10, "sum to 0"),
        ({"docs": 0.5, "code": 0.5}, 0, "at least 1"),
    ],
)
def test_proportions_that_cannot_be_are_refused(proportions: dict[str, float], tokens: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan({"docs": 100, "code": 100, "empty": 0}, proportions, tokens)


def test_the_table_has_a_row_a_source() -> None:
    proportions = {"docs": 0.75, "code": 0.25}
    made = plan({"docs": 300, "code": 50}, proportions, 400)
    rows = table(proportions, made, {"docs": 3, "code": 1}, {"docs": 900, "code": 150})
    assert rows == [
        {"source": "docs", "proportion": 0.75, "tokens": 300, "epochs": 1.0, "documents": 3, "bytes": 900},
        {"source": "code", "proportion": 0.25, "tokens": 100, "epochs": 2.0, "documents": 1, "bytes": 150},
    ]


def test_the_table_for_people_warns_of_what_repeats_too_often() -> None:
    row = {"proportion": 0.25, "tokens": 12_345, "documents": 3, "bytes": 2_500_000}
    lines = describe_table([{"source": "docs", "epochs": 4.0, **row}, {"source": "code", "epochs": 4.26, **row}])
    assert lines[1].split() == ["docs", "25.0%", "12,345", "4.00", "2.5"]
    assert [line for line in lines if "teaches little more" in line] == [
        "  code is repeated 4.3 times: beyond 4, text teaches little more."
    ]
