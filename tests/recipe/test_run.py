import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.files import read_json, sha256_of
from cygnet.recipe.load import load_recipe
from cygnet.recipe.run import run_recipe

MODELS = ("base", "sft", "reward", "rl")

KILLED = """
import os, signal, sys
from cygnet.cli.main import run_command
from cygnet.training.checkpoint import CheckpointWriter

stage, *command = sys.argv[1:]

def check(writer):
    writer.wait()
    if writer._folder.name == stage and any(writer._folder.glob("step_*")):
        os.kill(os.getpid(), signal.SIGKILL)

CheckpointWriter.check = check
run_command(command)
"""


@pytest.fixture
def run(tiny_run: Path) -> Path:
    return tiny_run


def test_a_run_ends_with_all_its_artifacts(run: Path, tiny: list[str]) -> None:
    names = {path.name for path in run.iterdir() if not path.name.startswith(".")}
    assert names == {
        *MODELS,
        *("corpus", "tokenizer", "tokens", "conversations", "comparisons", "arena", "checkpoints", "metrics"),
        *("recipe.json", "lineage.json", "report.json", "report.html"),
    }
    steps = "conversations corpus tokenizer tokens pretrain sft comparisons reward rl rank report"
    assert list(read_json(run / "lineage.json")["stages"]) == steps.split()
    assert read_json(run / "recipe.json") == load_recipe(tiny).to_json()


def test_the_report_knows_every_stage(run: Path) -> None:
    report = read_json(run / "report.json")
    assert report["recipe"] == "smoke"
    assert report["seconds"] > 0
    assert all(report["stages"][name] for name in ("corpus", "pretrain", "sft", "reward", "rl"))
    assert {row["player"] for row in report["ladder"]} >= {"base", "sft", "rl"}


def test_a_finished_run_imports_no_torch_and_changes_nothing(run: Path, tiny: list[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file() and path.name != ".lock"}
    program = "import sys; from cygnet.cli.main import run_command as run; code = run(sys.argv[1:])"
    check = "assert 'torch' not in sys.modules; sys.exit(code)"
    command = [sys.executable, "-c", f"{program}; {check}", "run", *tiny, "--out", str(run)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Report:" in done.stdout
    assert before == {path: path.stat().st_mtime_ns for path in before}


@pytest.mark.parametrize("stage", ["pretrain", "rl"])
def test_a_killed_run_ends_as_an_uninterrupted_one(run: Path, tiny: list[str], tmp_path: Path, stage: str) -> None:
    """Killed after an update that follows the stage's first checkpoint."""
    folder = tmp_path / "killed"
    command = [sys.executable, "-c", KILLED, stage, "run", *tiny, "--out", str(folder)]
    killed = subprocess.run(command, check=False, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (folder / ("base" if stage == "pretrain" else stage)).exists()
    whose = "" if stage == "pretrain" else " of pretrain"
    refused = rf"{stage} was interrupted after [\d,]+ updates .*this has changed: depth \(1 → 2\){whose}\. Put it back"
    with pytest.raises(UserError, match=refused):
        run_recipe(load_recipe([*tiny, "depth=2"]), folder, progress=False)
    assert read_json(folder / "recipe.json") == load_recipe(tiny).to_json()
    run_recipe(load_recipe(tiny), folder, progress=False)
    for model in MODELS:
        assert sha256_of(folder / model) == sha256_of(run / model), model
    assert read_json(folder / "arena/ladder.json") == read_json(run / "arena/ladder.json")


def test_a_folder_of_another_recipe_is_left_alone(run: Path) -> None:
    before = sha256_of(run)
    with pytest.raises(UserError, match=r"smoke holds a run of the recipe 'smoke', not of 'pocket'.*--out \S+pocket"):
        run_recipe(load_recipe(["pocket"]), run)
    assert sha256_of(run) == before


def test_a_folder_of_the_users_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    with pytest.raises(UserError, match="holds files but no run"):
        run_recipe(load_recipe(["smoke"]), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="holds files but no run"):
        run_recipe(load_recipe(["smoke"]), tmp_path / "file")


def test_a_damaged_recipe_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text("[]")
    with pytest.raises(UserError, match="holds a run of the recipe None"):
        run_recipe(load_recipe(["smoke"]), tmp_path)
