import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from pretended_gpu import pretended_gpu

from cygnet.model.transformer import Transformer

SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "pretrain"
ON_CPU = ["--device", "cpu", "--sizes", "tiny", "--tokens", "256"]
FOUND = {"product": 1e12, "memory": 5e9, "parameters": 4_000, "weights": 3_000, "losses": [6.0, 5.0]}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return __import__


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "no GPU is found"),
        (["--device", "mps"], "GPUs are called cuda:0"),
        (["--device", "cpu"], "--sizes 124M: a CPU would take hours"),
        ([*ON_CPU[:-1], "100"], "has whole rows of 64 tokens"),
        ([*ON_CPU, "--rows", "3"], "powers of two are needed"),
        ([*ON_CPU, "--rows", "0"], "powers of two are needed"),
        ([*ON_CPU, "--steps", "0"], "--steps 0: at least one is needed"),
        (["--sides", "gpt"], "cygnet[-documents][-parts][-unordered][-compiled], nanochat[-fp8][-compiled]"),
        (["--sides", "torchtitan-fp8"], "'torchtitan-fp8': sides are"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_sentence(
    script: Callable[[str], ModuleType],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    given: list[str],
    told: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        script("gpu").parse(given)
    assert told in " ".join(capsys.readouterr().err.split())


def test_a_known_gpu_has_its_makers_peak(script: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, name = script("gpu"), "NVIDIA H100 80GB HBM3"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: name)
    assert gpu.parse([]).peak == 989e12
    assert gpu.parse(["--peak", "700"]).peak == 700e12
    name = "NVIDIA H100 PCIe"
    assert gpu.parse([]).peak == 756e12
    name = "NVIDIA T4"
    assert gpu.parse([]).peak is None


def test_sizes_are_what_they_are_called(script: Callable[[str], ModuleType]) -> None:
    for name, parameters in (("124M", 124e6), ("350M", 350e6), ("1B", 1e9)):
        shape = script("gpu_shapes").SIZES[name]
        with torch.device("meta"):
            model = Transformer(shape.config())
        assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(parameters, rel=0.03)
        assert 3 * shape.ffn_width <= 8 * shape.width  # no more than nanochat's squared ReLU has


def test_rows_are_halved_until_they_fit_and_who_fails_is_left_out(
    script: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gpu, tried = script("gpu"), []

    def run(side: str, size: str, rows: int, settings: dict[str, Any]) -> dict[str, Any]:
        tried.append((side, rows))
        if side == "cygnet" and rows > 2:
            return {"out_of_memory": True}
        return {"failed": "no kernel"} if side == "nanochat" else {**FOUND, "seconds": [0.5]}

    monkeypatch.setattr(gpu, "run", run)
    arguments = SimpleNamespace(tokens=1024, rows=8, rounds=2, out=tmp_path / "out.jsonl")
    found = gpu.measure("tiny", ["cygnet", "nanochat", "torchtitan"], arguments, {})
    rounds = [("cygnet", 8), ("cygnet", 4), ("cygnet", 2), ("nanochat", 8), ("torchtitan", 8)]
    assert tried == [*rounds, ("cygnet", 2), ("torchtitan", 8)]
    assert {side: [one["rows"] for one in several] for side, several in found.items()} == {
        "cygnet": [2, 2],
        "torchtitan": [8, 8],
    }
    assert "nanochat did not run:\nno kernel" in capsys.readouterr().err
    kept = [json.loads(line) for line in arguments.out.read_text().splitlines()]
    assert [(one["side"], one["rows"]) for one in kept] == tried


def test_what_never_fits_is_told(
    script: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu = script("gpu")
    monkeypatch.setattr(gpu, "run", lambda *_: {"out_of_memory": True})
    arguments = SimpleNamespace(tokens=1024, rows=8, rounds=2, out=None)
    script("gpu_table").show("tiny", gpu.measure("tiny", ["cygnet"], arguments, {}), 1024, None)
    assert "| cygnet | not even one row fits into this device's memory |" in capsys.readouterr().out


def test_utilization_is_of_both_ceilings_and_ratios_are_of_rounds(
    script: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    records = {"nanochat": [0.5, 0.25], "cygnet": [0.25, 0.125]}
    found = {
        side: [{**FOUND, "rows": 2, "seconds": [0.9, seconds, 0.1]} for seconds in several]
        for side, several in records.items()
    }
    script("gpu_table").show("tiny", found, 1024, 2e12)
    flops = (6 * 3_000 + 12 * 2 * 64 * 128) * (1024 / 0.25 + 1024 / 0.125) / 2
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| cygnet"))
    assert [cell.strip() for cell in row.split("|")[4:10]] == [
        "167",
        "6,144 (4,096 to 8,192)",
        f"{100 * flops / 2e12:.1f} %",
        f"{100 * flops / 1e12:.1f} %",
        "5.0",
        "2.00 (2.00 to 2.00)",
    ]


def test_a_peer_that_cannot_be_had_is_left_out_saying_so(
    script: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gpu = script("gpu")
    monkeypatch.setattr(gpu, "NANOCHAT", str(tmp_path / "not there"))
    assert gpu.fetched("nanochat", tmp_path) is None
    assert "nanochat is not measured, for it can't be had: " in capsys.readouterr().out


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
@pytest.mark.parametrize("side", ["cygnet", "cygnet-documents", "cygnet-parts"])
def test_our_sides_learn_from_all_of_an_update(script: Callable[[str], ModuleType], side: str, device: str) -> None:
    """On a pretended GPU, too, which is waited for once an update."""
    shape = script("gpu_shapes").SIZES["tiny"]
    losses = []
    for rows in (1, 4):
        torch.manual_seed(1)
        ids = (torch.rand(4, shape.length + 1) ** 4 * shape.vocabulary).long()
        with pretended_gpu() if device != "cpu" else nullcontext() as gpu:
            built = script("gpu_models").build(side, shape, rows, {"device": device})
            begun = len(gpu.waits) if gpu else 0
            losses.append([built.update(ids) for _ in range(3)])
            assert gpu is None or len(gpu.waits) - begun == 3
        assert built.weights == sum(parameter.numel() for parameter in built.model.parameters())
    assert losses[0][0] == pytest.approx(losses[1][0], rel=1e-3)  # however it is split
    assert losses[0][2] < losses[0][0]
