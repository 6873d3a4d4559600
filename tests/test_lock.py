import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.lock import locked
from cygnet.recipe.load import load_recipe
from cygnet.recipe.run import run_recipe

HOLDER = """
import sys
from pathlib import Path
from cygnet.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_process_at_a_time_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        message = rf"another cygnet \(process {holder.pid}\) is at work in .*run\. Wait until"
        with pytest.raises(UserError, match=message), locked(folder):
            pass
        with pytest.raises(UserError, match=message):
            run_recipe(load_recipe(["smoke"]), folder)
        assert not (folder / "recipe.json").exists()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with locked(folder):
            assert [path.name for path in folder.iterdir()] == [".lock"]


def test_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("the user's")
    for folder in (tmp_path / "file", tmp_path / "file/run", tmp_path / "file/deep/run"):
        with pytest.raises(UserError, match="can't be a folder: a file is in the way"), locked(folder):
            pass
    with pytest.raises(UserError, match="a file is in the way"):
        run_recipe(load_recipe(["smoke"]), tmp_path / "file/run")
    assert (tmp_path / "file").read_text() == "the user's"
