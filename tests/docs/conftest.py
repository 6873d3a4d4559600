"""The pages: README and docs/, and a folder in which what they say can be done."""

import shutil
import sys
from pathlib import Path

import pytest

from cygnet.files import read_json, write_json

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "benchmarks/README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `page` gets every page in turn."""
    if "page" in metafunc.fixturenames:
        metafunc.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def generator() -> object:
    """docs/reference_pages.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(ROOT / "docs"), *sys.path])
        import reference_pages

        yield reference_pages


@pytest.fixture
def workspace(tiny_run: Path, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader stands: my-texts/, and runs/pocket, which is a copy of the tiny run under the pocket's name."""
    shutil.copytree(tiny_run, tmp_path / "runs/pocket")
    saved = tmp_path / "runs/pocket/recipe.json"
    write_json(saved, {**read_json(saved), "name": "pocket"})
    shutil.copytree(texts, tmp_path / "my-texts")
    for name in ("examples", "benchmarks"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "pyproject.toml").symlink_to(ROOT / "pyproject.toml")
    monkeypatch.chdir(tmp_path)
    return tmp_path
