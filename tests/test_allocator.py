import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cygnet import allocator

_PROGRAM = """
import os, sys
from cygnet.allocator import preload
preload()
loaded = any("malloc" in line and ".so" in line for line in open("/proc/self/maps"))
print(loaded, *(repr(os.environ.get(name)) for name in ("LD_PRELOAD", "MALLOC_CONF")), sys.argv[1:])
"""

needs_one = pytest.mark.skipif(not allocator.find_allocator(), reason="the system has no other allocator")


def run(**environment: str) -> str:
    command = [sys.executable, "-c", _PROGRAM, "an argument", "--option=1"]
    known = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    found = subprocess.run(command, capture_output=True, text=True, check=True, env={**known, **environment})
    assert not found.stderr
    return found.stdout.strip()


def other_library() -> str:
    """Some library that a program can do with, and that says nothing of memory."""
    for place in (
        "/usr/lib/x86_64-linux-gnu/libm.so.6",
        "/usr/lib64/libm.so.6",
        "/usr/lib/aarch64-linux-gnu/libm.so.6",
    ):
        if Path(place).exists():
            return place
    pytest.skip("no library to preload is found")


def test_the_process_starts_anew_and_its_children_do_not_notice(tmp_path: Path) -> None:
    library = tmp_path / "libmymalloc.so"
    shutil.copy(other_library(), library)
    assert run(CYGNET_ALLOCATOR=str(library)) == "True None None ['an argument', '--option=1']"
    assert run(CYGNET_ALLOCATOR=str(library), LD_PRELOAD=other_library()).startswith(f"True '{other_library()}' None")
    assert run(CYGNET_ALLOCATOR=str(library), MALLOC_CONF="narenas:1").startswith("True None 'narenas:1'")


@needs_one
def test_the_systems_own_is_found() -> None:
    assert run().startswith("True None None")


def test_it_can_be_switched_off() -> None:
    assert run(CYGNET_ALLOCATOR="system").startswith("False None None")


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    environment = {**os.environ, "CYGNET_ALLOCATOR": str(tmp_path / "libnone.so")}
    command = [sys.executable, "-m", "cygnet", "run", "--help"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert found.returncode == 2
    assert "libnone.so, which is no file. Unset it" in found.stderr
    assert "Traceback" not in found.stderr


def test_without_one_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "_PLACES", ())
    for name in ("LD_PRELOAD", "CYGNET_ALLOCATOR"):
        monkeypatch.delenv(name, raising=False)
    allocator.preload()
    assert "LD_PRELOAD" not in os.environ
