"""A hash of parts of this package's own code, by which something made with them is known to be out of date."""

import hashlib
from functools import cache
from pathlib import Path

import cygnet

PACKAGE = Path(cygnet.__file__).parent


@cache
def code_hash(parts: tuple[str, ...]) -> str:
    """16 hex digits that an edit of any file in these files and folders, named from the package's, changes."""
    digest = hashlib.sha256()
    for part in parts:
        for file in code_files(PACKAGE / part):
            content = hashlib.sha256(file.read_bytes()).digest()
            digest.update(str(file.relative_to(PACKAGE)).encode() + content)
    return digest.hexdigest()[:16]


def code_files(part: Path) -> list[Path]:
    """A file, or the files below a folder that are code: not what Python compiled from it."""
    if part.is_file():
        return [part]
    return sorted(path for path in part.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
