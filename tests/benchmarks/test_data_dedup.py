"""The benchmark of near-duplicates plants what it says, and tells which peer isn't there."""

import importlib.util
import random
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "data" / "dedup.py"


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_of_dedup", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_stated_share_of_words_is_replaced(script: ModuleType) -> None:
    text = " ".join(f"word{number}" for number in range(200))
    other = script.changed(text, 0.03, random.Random(1))
    assert sum(mine != theirs for mine, theirs in zip(text.split(), other.split(), strict=True)) == 6


def test_it_measures_cygnet_and_leaves_out_what_is_not_there(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "TEXTS", 40)
    monkeypatch.setattr(script, "PLANTED", 10)
    monkeypatch.setattr(script, "SYSTEMS", {"cygnet": script.cygnet, "nobody": script.cygnet})
    script.main("/bin/false", 2)
    told = capsys.readouterr()
    assert "nobody is left out" in told.err
    *_, row = told.out.splitlines()
    name, _, _, recall, ratio = (cell.strip() for cell in row.strip("|").split("|"))
    assert (name, ratio) == ("cygnet", "1.0 times (1.0 to 1.0)")
    assert float(recall) >= 0.8
