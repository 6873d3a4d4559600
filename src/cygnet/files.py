"""Reading and writing so that a crash never leaves half a file, and bad input is named by file and row."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from cygnet.errors import UserError

_CANNOT_WRITE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS}
_IN_RUST = re.compile(r"\(os error (\d+)\)$")
_IN_NUMPY = re.compile(r"\d+ requested and \d+ written")


@contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an exception.

    The caller creates a file or a folder at the yielded path. An existing `path` is replaced. If the block
    raises, `path` is untouched and the temporary one removed.

    Raises:
        UserError: when the disk is full or the folder can't be written.
    """
    temporary = path.with_name(name_aside(path))
    _remove(temporary)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush(temporary)
        if path.is_dir():  # a folder can't be renamed over one that has files
            _remove(path)
        temporary.replace(path)
    except Exception as error:
        reason = why_not_written(error)
        if reason is None:
            raise
        raise UserError(f"could not write {path}: {reason}. Free some room or choose another place.") from error
    finally:
        _remove(temporary)


def name_aside(path: Path) -> str:
    """How `path` is called while this process writes it aside."""
    return f".{path.name}.writing-{os.getpid()}"


def check_name(path: Path) -> None:
    """Raise UserError for a path that is not UTF-8: the libraries that read and write what is there don't take it."""
    if not _is_unicode(str(path)):
        raise UserError(f"{str(path)!a} has a name that is not UTF-8. Give it another.")


def why_not_written(error: Exception) -> str | None:
    """What kept a file from being written, if `error` says that the disk or its permissions did; otherwise None.

    Libraries report it in ways of their own: safetensors as a SafetensorError and tokenizers as a bare Exception, both
    ending in Rust's "(os error 28)"; numpy as an OSError that has no number but the counts of a short write.
    """
    if isinstance(error, OSError):
        if error.errno is None and _IN_NUMPY.fullmatch(str(error)):
            return f"the disk took only a part ({error})"
        number = error.errno
    else:
        from_rust = type(error) is Exception or type(error).__name__ == "SafetensorError"
        found = _IN_RUST.search(str(error)) if from_rust else None
        number = int(found[1]) if found else None
    return os.strerror(number) if number in _CANNOT_WRITE else None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Force the data of a file, or of every file in a folder, to disk: a rename must not overtake its contents."""
    files = [path] if path.is_file() else [child for child in path.rglob("*") if child.is_file()]
    for file in files:
        with file.open("rb") as handle:
            os.fsync(handle.fileno())


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file, as `sha256sum` prints it; of a folder, over its files' sorted names and their hashes."""
    if path.is_file():
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    digest = hashlib.sha256()
    for file in sorted(child for child in path.rglob("*") if child.is_file()):
        digest.update(os.fsencode(file.relative_to(path)) + bytes.fromhex(sha256_of(file)))
    return digest.hexdigest()


def read_json(path: Path) -> Any:
    """Parse one JSON file. Raises UserError naming the file when it is missing or malformed."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist.") from error
    except (IsADirectoryError, PermissionError) as error:
        raise UserError(f"{path} can't be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits, or brackets as deep
        raise UserError(f"{path} is not valid JSON: {error}") from error


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, aside and renamed."""
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    with write_aside(path) as temporary:  # bytes of a file's name that are not UTF-8 become escapes, as JSON has them
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Parse a JSON Lines file of objects. Raises UserError naming file and row when one is malformed, or none there."""
    return [row for _, row in numbered_jsonl(path)]


def numbered_jsonl(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """`read_jsonl`, each object with the number of its line, counted from 1."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"{path} does not exist.") from error
    except IsADirectoryError as error:
        raise UserError(f"{path} is a folder, not a JSON Lines file. Name a file in it.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: {error}") from error
    rows = [(number, _parse_row(path, number, line)) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise UserError(f"{path} holds no rows.")
    return rows


def _parse_row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}, row {number}: not valid JSON ({error}).") from error
    if not isinstance(row, dict):
        raise UserError(f"{path}, row {number}: expected an object, found {type(row).__name__}.")
    if "\\ud" in line.lower() and not _is_unicode(json.dumps(row, ensure_ascii=False)):
        raise UserError(f"{path}, row {number}: has half of a surrogate pair (\\ud8xx), which is no character.")
    return row


def _refuse(constant: str) -> NoReturn:
    """NaN and infinities, which Python reads and JSON does not have."""
    raise ValueError(f"{constant} is no number")


def _is_unicode(text: str) -> bool:
    """Whether text can be written as UTF-8. JSON may spell halves of surrogate pairs, which can't."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write objects one a line, aside and renamed."""
    with write_aside(path) as temporary, temporary.open("w", encoding="utf-8") as handle:
        for row in rows:
            handle.write(json.dumps(row, ensure_ascii=False) + "\n")
