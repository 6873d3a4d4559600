import math
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "pretrain"


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return __import__("peers")


@pytest.fixture
def text(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return __import__("peers_text")


def prepared(text: ModuleType, folder: Path) -> ModuleType:
    file = folder / "given.txt"
    file.write_text(
        "\n\n".join(f"Swan {i} swims past {i * 7} reeds, and then past {i * 11} more." for i in range(4000))
    )
    counts = text.prepare([file], folder)
    assert counts["documents"] == len(list(text.documents([file]))) > 20
    return text.read(folder)


def test_what_is_held_out_is_a_tenth_and_not_learned_from(text: ModuleType, tmp_path: Path) -> None:
    found = prepared(text, tmp_path)
    assert len(found.held_out) / (len(found.train) + len(found.held_out)) == pytest.approx(0.1, abs=0.03)
    windows = {tuple(row) for row in found.held_out.unfold(0, 32, 16).tolist()}
    assert windows.isdisjoint(map(tuple, found.train.unfold(0, 32, 1).tolist()))


def test_batches_are_of_seed_and_step(text: ModuleType, tmp_path: Path) -> None:
    found = prepared(text, tmp_path)
    assert found.batch(1, 2).shape == (text.ROWS, text.LENGTH + 1)
    assert found.batch(1, 2).equal(found.batch(1, 2))
    assert not found.batch(1, 2).equal(found.batch(1, 3))
    assert not found.batch(1, 2).equal(found.batch(2, 2))


def test_who_knows_nothing_needs_as_many_bits_as_tokens_have_choices(text: ModuleType, tmp_path: Path) -> None:
    import torch

    found = prepared(text, tmp_path)
    bits = text.bits_per_byte(lambda ids: torch.zeros(*ids.shape, text.VOCABULARY), found)
    special = found.sizes[found.held_out] == 0
    each = float(found.sizes[found.held_out].sum()) / int((~special).sum())
    assert bits == pytest.approx(math.log2(text.VOCABULARY) / each, rel=0.02)


def test_ours_have_no_more_in_their_layers_than_nanochats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    models = __import__("peers_models")
    side = models.build("cygnet", bf16=True, compiled=False, settings={"threads": 1})
    matrices = 12 * models.LAYERS * models.WIDTH**2  # nanochat's: attention, and a feed-forward part 4 times as wide
    assert 0.98 * matrices < side.parameters()["in_layers"] < matrices


def test_an_unknown_side_is_refused(peers: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    for given in (["--rates", "gpt"], ["--rates", "cygnet-fast"], ["--losses", "transformers"], ["--rates", "litgpt"]):
        with pytest.raises(SystemExit):
            peers.parse(given)
        assert given[1] in capsys.readouterr().err


def test_rates_are_compared_round_by_round(peers: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    counts = {"parameters": 4_000, "in_layers": 3_000}
    found = {
        "nanochat-compiled": {**counts, "tokens_per_second": [100.0, 200.0, 50.0]},
        "cygnet-bf16": {**counts, "tokens_per_second": [300.0, 400.0, 150.0]},
    }
    records = peers.show_rates(found)
    assert records[1]["ratios"] == [3.0, 2.0, 3.0]
    assert "| cygnet-bf16 | 4,000 | 3,000 | 300 (150 to 400) | 3.00 (2.00 to 3.00) |" in capsys.readouterr().out
