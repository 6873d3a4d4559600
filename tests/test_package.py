import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import cygnet

ROOT = Path(__file__).parents[1]


def test_all_names_can_be_had_and_are_all_there_is() -> None:
    assert list(cygnet.__all__) == sorted(cygnet.__all__)
    assert dir(cygnet) == sorted(cygnet.__all__)
    for name in cygnet.__all__:
        assert getattr(cygnet, name) is not None
    with pytest.raises(AttributeError, match="module 'cygnet' has no attribute 'nothing'"):
        _ = cygnet.nothing


def test_every_lazy_name_is_where_it_is_said_to_be() -> None:
    assert set(cygnet.__all__) == set(cygnet._HOME) | {"UserError", "__version__"}
    for name, module in cygnet._HOME.items():
        assert getattr(cygnet, name).__module__ == module


def test_one_version_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert cygnet.__version__ == project["version"] == metadata.version("cygnet")


def test_constraints_pin_exactly_the_direct_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = sum(project["optional-dependencies"].values(), project["dependencies"])
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert set(pins) == {re.split(r"[<>=~\[]", name)[0] for name in direct}


@pytest.mark.parametrize(
    "program",
    [
        "import cygnet",
        "from cygnet.cli.main import run_command; run_command(['--help'])",
        "from cygnet.cli.main import run_command; run_command(['rl', '--help'])",
        "from cygnet.cli.main import run_command; assert run_command(['recipe', 'show', 'smoke', 'depth=3']) == 0",
    ],
)
def test_torch_is_not_loaded_before_it_is_needed(program: str) -> None:
    check = "import sys; assert 'torch' not in sys.modules, 'torch was loaded'; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", f"{program}\n{check}"], check=True, capture_output=True)


def test_the_modules_tree_runs_as_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "cygnet", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{cygnet.__version__}\n"
