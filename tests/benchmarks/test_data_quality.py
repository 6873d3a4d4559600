from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "data"
GOOD = "The swan swims on the river, and the people of the village look at it with their children. " * 3
NAMED = [("kept", GOOD), ("lists", "- one\n- two\n- three\n" * 40)]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return __import__


def test_without_the_peer_it_says_so(
    script: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quality = script("quality")
    monkeypatch.setattr(quality, "texts", lambda: iter(NAMED))
    quality.main(rounds=1)
    printed = capsys.readouterr().out
    assert "datatrove is not measured" in printed
    assert float(printed.rpartition("| cygnet | ")[2].split()[0]) > 0


def test_agreement_is_counted_by_filter(
    script: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    quality = script("quality")
    ours = [dict.fromkeys(quality.GROUPS, dropped) for dropped in (False, True, True)]
    theirs = [dict(each) for each in ours]
    theirs[1][quality.GROUPS[0]] = False
    quality.agreement(["a", "b", "c"], ours, theirs)
    printed = capsys.readouterr().out
    assert f"| {quality.GROUPS[0]} | 3 | 1 | 2 | 66.7% |" in printed
    assert f"| {quality.GROUPS[3]} | 1 | 0 | 0 | 100.0% |" in printed  # the others fell to C4
    assert f"| {quality.ALL} | 3 | 2 | 2 | 100.0% |" in printed
    assert f"Different: b ({quality.GROUPS[0]})" in printed


def test_the_filter_is_measured_and_a_peer_that_fails_is_named(
    script: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    learned = script("quality_filter")
    good, crawl = ([f"{word} swan number {n}" for n in range(60)] for word in ("measured", "click"))
    monkeypatch.setattr(learned, "texts", lambda: (good[:40], crawl[:40], good[40:], crawl[40:]))
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such library >&2\nexit 1\n")
    broken.chmod(0o755)
    learned.main(str(broken), rounds=1)
    printed = capsys.readouterr().out
    assert "| cygnet | 1.0000 | 1.000 |" in printed
    assert "| scikit-learn | did not run: no such library |" in printed
