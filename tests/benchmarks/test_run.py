from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_it_prints_both_tables(
    tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import run

    run.main(tiny, tmp_path / "bench", rounds=1, least=0.01)
    lines = capsys.readouterr().out.splitlines()
    rates = [line.split(" | ")[:2] for line in lines if line.startswith("| ") and not line.startswith("| ---")]
    named = {name.removeprefix("| "): rate.removesuffix(" |") for name, rate in rates}
    for name in ("float32", "bfloat16", "1 prompt", "32 prompts", "32 samples of 1 prompt"):
        assert int(named[name].replace(",", "")) > 0
