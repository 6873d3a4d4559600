import math
import re
from typing import get_args

import pytest

from cygnet.cli.main import run_command
from cygnet.corpus.mixtures import MIXTURES, MixtureName, shares_of


def test_epochs_are_share_times_tokens_by_the_size_of_the_source() -> None:
    (gpt,) = (mixture for mixture in MIXTURES if mixture.name == "gpt-3")
    for share in gpt.shares:
        billions = float(share.size.split()[0])
        assert share.epochs == pytest.approx(share.proportion * gpt.tokens / 1e9 / billions, rel=0.25), share.source


def test_shares_sum_to_one_as_far_as_the_papers_round() -> None:
    sums = {mixture.name: math.fsum(share.proportion for share in mixture.shares) for mixture in MIXTURES}
    assert sums == pytest.approx({"llama-1": 1.0, "gpt-3": 1.01})


def test_by_its_name_a_mixture_sums_to_one() -> None:
    for mixture in MIXTURES:
        proportions = shares_of(mixture.name)
        assert math.fsum(proportions.values()) == pytest.approx(1, abs=1e-12)
        assert list(proportions) == [share.source for share in mixture.shares]
    assert shares_of("gpt-3")["common-crawl"] == pytest.approx(0.60 / 1.01)
    assert {mixture.name for mixture in MIXTURES} == set(get_args(MixtureName))


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ("llama", "one of llama-1, gpt-3"),
        (3, "a table of shares"),
        ({"a": "much", "b": 0.5}, "above 0 that add up to 1: a is 'much'"),
        ({"a": True}, "a is True"),
        ({"a": 0.0, "b": 1.0}, "a is 0.0"),
        ({"a": math.nan, "b": 1.0}, "a is nan"),
        ({"a": 0.5, "b": 0.25}, "these sum to 0.75, and must sum to 1"),
        ({}, "these sum to 0"),
    ],
)
def test_what_is_no_shares(stated: object, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        shares_of(stated)


def test_the_verb_prints_every_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["corpus", "mixtures"]) == 0
    printed = capsys.readouterr().out
    assert all(share.source in printed for mixture in MIXTURES for share in mixture.shares)
    assert "67.0%" in printed
    assert "sum to 101%" in printed
