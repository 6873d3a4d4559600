import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import cygnet
from cygnet import code
from cygnet.recipe.code import _ROOMS, code_version

STEPS = "corpus tokenizer tokens pretrain conversations sft comparisons reward rl rank report".split()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package to edit; only its hashes are looked at, it is never imported."""
    copy = tmp_path / "cygnet"
    shutil.copytree(Path(cygnet.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "PACKAGE", copy)
    code.code_hash.cache_clear()
    yield copy
    code.code_hash.cache_clear()


def changed_by(file: Path) -> set[str]:
    """The steps whose version an edit of `file` changes."""
    before = {step: code_version(step) for step in STEPS}
    file.write_text(file.read_text() + "\n# edited\n")
    code.code_hash.cache_clear()
    return {step for step in STEPS if code_version(step) != before[step]}


@pytest.mark.parametrize(
    ("file", "steps"),
    [
        ("cli/main.py", []),
        ("errors.py", []),
        ("recipe/runner.py", []),
        ("recipe/report/verdict.py", ["report"]),
        ("page/style.css", ["report"]),
        ("recipe/ranking.py", ["rank"]),
        ("arena/bradley_terry.py", ["rank"]),
        ("corpus/build.py", ["corpus", "tokenizer", "tokens"]),
        ("stages/ppo.py", ["pretrain", "conversations", "sft", "comparisons", "reward", "rl", "rank"]),
        ("tokens/chat.py", STEPS[:-1]),
        ("corpus/tasks/arithmetic.py", STEPS[:-1]),
    ],
)
def test_an_edit_reaches_the_steps_that_use_it(package: Path, file: str, steps: list[str]) -> None:
    assert changed_by(package / file) == set(steps)


def test_every_room_is_there_and_an_unknown_step_depends_on_everything(package: Path) -> None:
    assert all(list(code.code_files(package / room)) for rooms in _ROOMS.values() for room in rooms)
    before = code_version("unknown")
    (package / "cli/main.py").write_text("")
    code.code_hash.cache_clear()
    assert code_version("unknown") != before


def test_what_python_compiles_is_no_code(package: Path) -> None:
    before = code_version("sft")
    (package / "stages/__pycache__").mkdir()
    (package / "stages/__pycache__/sft.cpython.pyc").write_bytes(b"compiled")
    code.code_hash.cache_clear()
    assert code_version("sft") == before
    assert before.startswith(f"{cygnet.__version__}+")
