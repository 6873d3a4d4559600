"""Which files a source has, in a fixed order."""

import glob
from collections.abc import Iterable
from pathlib import Path

from cygnet.errors import UserError


def find_files(patterns: Iterable[str], base: Path, suffixes: tuple[str, ...] = ()) -> list[Path]:
    """The files that paths and globs name, sorted, each once. Relative ones begin at `base`.

    Of a folder these are the files below it whose names end in one of `suffixes` (all, if none are given). Names that
    begin with a full stop are passed over: half-written files and version control have such names.

    Raises:
        UserError: when a pattern names nothing.
    """
    found: set[Path] = set()
    for pattern in patterns:
        matches = [base / match for match in glob.glob(pattern, root_dir=base, recursive=True)]  # noqa: PTH207 - takes absolute ones
        exact = base / pattern
        if exact.exists():  # a name with brackets in it
            matches.append(exact)
        files = [file for match in matches for file in _below(match, suffixes)]
        if not files:
            wanted = f" with {', '.join(suffixes)} files" if suffixes and matches else ""
            raise UserError(f"path: {exact} is no file or folder{wanted}. Correct it in corpus.toml.")
        _refuse_open(matches)
        found.update(files)
    return sorted(found)


def _refuse_open(matches: Iterable[Path]) -> None:
    """Pages that a crawl has in hand would be missed without a word.

    Raises:
        UserError: when a crawl has not closed its last file.
    """
    for folder in {match if match.is_dir() else match.parent for match in matches}:
        if unfinished := sorted(folder.glob("*.warc.gz.open")):
            raise UserError(
                f"{unfinished[0]} was not finished: the crawl was interrupted. Run `cygnet crawl` once more."
            )


def _below(path: Path, suffixes: tuple[str, ...]) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = (file for file in path.rglob("*") if file.is_file())
    return [
        file
        for file in files
        if not any(part.startswith(".") for part in file.relative_to(path).parts)
        and (not suffixes or file.name.lower().endswith(suffixes))
    ]
