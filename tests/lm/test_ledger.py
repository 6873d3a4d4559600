import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.lm.base import Usage
from cygnet.lm.ledger import BudgetError, Ledger, Prices

CALL = Usage(10, 5, 4, 0.5, 0.25, 1)


def test_cached_tokens_have_a_price_of_their_own() -> None:
    assert Prices(prompt=2.0, cached=0.5, completion=8.0).cost(1_000_000, 400_000, 500_000) == 1.2 + 0.2 + 4.0


def test_calls_of_many_threads_add_up_a_line_each(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "new" / "ledger.jsonl")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ledger.enter("swan", CALL), range(100)))
    assert ledger.usage == Usage(1000, 500, 400, 50.0, 25.0, 100)
    rows = [json.loads(line) for line in ledger.path.read_text().splitlines()]
    assert [row["spent"] for row in rows] == [0.25 * (i + 1) for i in range(100)]
    assert rows[0].items() >= {"model": "swan", "prompt_tokens": 10, "completion_tokens": 5, "cost": 0.25}.items()


def test_lines_are_added_to_those_of_an_earlier_run(tmp_path: Path) -> None:
    for _ in range(2):
        Ledger(tmp_path / "ledger.jsonl").enter("swan", CALL)
    assert len((tmp_path / "ledger.jsonl").read_text().splitlines()) == 2


def test_a_budget_holds_until_it_is_spent() -> None:
    ledger = Ledger(budget=0.5)
    ledger.enter("swan", CALL)
    ledger.check()
    ledger.enter("swan", CALL)
    with pytest.raises(BudgetError, match=r"budget of 0.5 is spent \(0.5 in 2 calls\)"):
        ledger.check()


def test_replies_from_a_cache_are_counted_apart() -> None:
    ledger = Ledger()
    ledger.count_hits(2)
    ledger.count_hits(1)
    assert (ledger.hits, ledger.usage) == (3, Usage())


def test_a_ledger_that_cannot_be_written_is_named_and_still_counts(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)  # a folder
    with pytest.raises(UserError, match="could not write the ledger"):
        ledger.enter("swan", CALL)
    assert ledger.usage == CALL
