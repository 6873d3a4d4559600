"""The modules of this Python installation's standard library, as source text and syntax tree. Nothing is imported."""

import ast
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cygnet.corpus.document import Dropped
from cygnet.errors import UserError

# Tests, whole applications, bundled third-party code and generated tables: not the library one would learn from.
UNUSED_FOLDERS = {
    "encodings",
    "ensurepip",
    "idlelib",
    "lib-dynload",
    "lib2to3",
    "pip",
    "pydoc_data",
    "site-packages",
    "test",
    "tests",
    "turtledemo",
}
# Python twins of C modules: users know them, and they are held out, under the public name.
PUBLIC_NAMES = {
    "_collections_abc": "collections.abc",
    "_pydatetime": "datetime",
    "_pydecimal": "decimal",
    "_pyio": "io",
    "_pylong": "int",
    "_strptime": "time",
}


@dataclass(frozen=True)
class Module:
    """One source file: its dotted public name, its text and the parsed tree (line numbers refer to the text)."""

    name: str
    text: str
    tree: ast.Module


def stdlib_folder() -> Path:
    """Where the running interpreter keeps the standard library's source."""
    return Path(sysconfig.get_paths()["stdlib"])


def read_modules(stdlib: Path) -> Iterator[Module | Dropped]:
    """Parse every module below `stdlib` in a fixed order; what can't be used comes as `Dropped`.

    Raises:
        UserError: when the folder holds no Python source (a zipped or stripped installation).
    """
    found = False
    for path in _source_files(stdlib):
        if isinstance(path, Dropped):
            yield path
            continue
        found = True
        yield _parse(_module_name(path.relative_to(stdlib)), path)
    if not found:
        raise UserError(f"{stdlib} holds no Python source files. Use an installation whose standard library has them.")


def _source_files(folder: Path) -> Iterator[Path | Dropped]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.is_dir():
            if path.name in UNUSED_FOLDERS:
                yield Dropped("folder_not_used", path.name)
            elif path.name.isidentifier() and path.name != "__pycache__":
                yield from _source_files(path)
        elif path.suffix == ".py":
            yield path


def _module_name(relative: Path) -> str:
    parts = list(relative.with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    name = ".".join(parts)
    return PUBLIC_NAMES.get(name, name)


def _parse(name: str, path: Path) -> Module | Dropped:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return Dropped("not_utf8", name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old escapes in others' strings are not this program's business
            return Module(name, text, ast.parse(text))
    except (SyntaxError, ValueError):
        return Dropped("not_python", name)
