"""Plain text, cut into short documents: what someone wrote, or collected, and keeps in a folder."""

from collections.abc import Iterator
from pathlib import Path

from cygnet.corpus.pieces import split_text
from cygnet.corpus.records import Record, Skipped
from cygnet.errors import UserError

SUFFIXES = (".txt", ".md", ".rst", ".py")
_LIMIT = 1_000  # characters a document
_STRETCH = 16  # consecutive documents of a file that are held out, or trained on, together


def find_texts(folder: Path) -> list[Path]:
    """Every file below `folder`, in order.

    Raises:
        UserError: when it is no folder, or none of its files is text, or all of that are empty.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder.")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    texts = [path for path in files if path.suffix in SUFFIXES]
    if not texts:
        raise UserError(f"{folder} has no {', '.join(SUFFIXES)} file.")
    if not any(path.stat().st_size for path in texts):
        raise UserError(f"{folder} holds no text: its {', '.join(SUFFIXES)} files are empty.")
    return files


def read_text(source: str, path: Path, name: str) -> Iterator[Record | Skipped]:
    """A file, cut at blank lines; as `unit` of each piece, `<name>#<stretch>`.

    Long files are held out by stretches rather than whole, so that a folder of one book has held-out text too.

    Raises:
        UserError: when the file is binary or not UTF-8.
    """
    if path.suffix not in SUFFIXES:
        yield Skipped(source, name, "other_file_type", path.suffix)
        return
    text = _read(path)
    if not text.strip():
        yield Skipped(source, name, "empty")
        return
    for number, piece in enumerate(split_text(text, _LIMIT)):
        yield Record(source, f"{name}#{number}", piece, {"unit": f"{name}#{number // _STRETCH}"})


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"could not read {path}: {error.strerror}.") from error
    if b"\0" in data:
        raise UserError(f"{path} is a binary file (it has zero bytes). Remove it or convert it to text.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}). Convert it to UTF-8 or remove it.") from error
    return text.replace("\r\n", "\n")
