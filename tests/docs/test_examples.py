"""The examples run, and do what they say."""

import subprocess
import sys
from pathlib import Path


def example(root: Path, name: str, *arguments: object) -> str:
    command = [sys.executable, str(root / "examples" / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_raise_a_model(root: Path, texts: Path, tmp_path: Path) -> None:
    out = example(root, "raise_a_model.py", texts, tmp_path / "out")
    assert "bits per byte held out" in out
    assert (tmp_path / "out/base/model.safetensors").exists()


def test_token_probabilities(root: Path, tiny_run: Path) -> None:
    out = example(root, "token_probabilities.py", tiny_run / "rl", "What is 47 + 35?")
    answer, _, table = out.rpartition("\n\n")
    assert answer
    assert all("% " in line and "instead: " in line for line in table.strip().splitlines())


def test_rate_matches(root: Path, tiny_run: Path) -> None:
    out = example(root, "rate_matches.py", tiny_run / "arena/matches.jsonl")
    ladder, leads = out.split("\n\n")
    assert {line.split()[0] for line in ladder.splitlines()} == {"base", "sft", "best-of-2", "rl"}
    assert leads.count(" over ") == 3


def test_every_example_is_tested(root: Path) -> None:
    here = Path(__file__).read_text()
    assert all(f'"{path.name}"' in here for path in (root / "examples").glob("*.py"))
