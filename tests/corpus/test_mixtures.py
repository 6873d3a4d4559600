import math

import pytest

from cygnet.cli.main import run_command
from cygnet.corpus.mixtures import MIXTURES


def test_epochs_are_share_times_tokens_by_the_size_of_the_source() -> None:
    (gpt,) = (mixture for mixture in MIXTURES if mixture.name == "gpt-3")
    for share in gpt.shares:
        billions = float(share.size.split()[0])
        assert share.epochs == pytest.approx(share.proportion * gpt.tokens / 1e9 / billions, rel=0.25), share.source


def test_shares_sum_to_one_as_far_as_the_papers_round() -> None:
    sums = {mixture.name: math.fsum(share.proportion for share in mixture.shares) for mixture in MIXTURES}
    assert sums == pytest.approx({"llama-1": 1.0, "gpt-3": 1.01})


def test_the_verb_prints_every_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["corpus", "mixtures"]) == 0
    printed = capsys.readouterr().out
    assert all(share.source in printed for mixture in MIXTURES for share in mixture.shares)
    assert "67.0%" in printed
