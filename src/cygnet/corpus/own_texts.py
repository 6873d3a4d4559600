"""The user's own documents: a folder of plain-text files, as the source "own"."""

from collections.abc import Iterator
from pathlib import Path

from cygnet.corpus.document import Document, Dropped
from cygnet.corpus.pieces import split_text
from cygnet.errors import UserError

SUFFIXES = (".txt", ".md", ".rst", ".py")
_LIMIT = 1_000  # characters a document
_STRETCH = 16  # consecutive documents of a file that are held out, or trained on, together


def own_texts(folder: Path) -> Iterator[Document | Dropped]:
    """Every text file below `folder`, cut at blank lines; origin is `<file>#<stretch>`.

    Long files are held out by stretches rather than whole, so that a folder of one book has held-out text too.

    Raises:
        UserError: when the folder is missing or has no such file, or a file is empty, binary or not UTF-8.
    """
    if not folder.is_dir():
        raise UserError(f"text_folder: {folder} is not a folder.")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not any(path.suffix in SUFFIXES for path in files):
        raise UserError(f"text_folder: {folder} has no {', '.join(SUFFIXES)} file.")
    for path in files:
        name = path.relative_to(folder).as_posix()
        if path.suffix not in SUFFIXES:
            yield Dropped("other_file_type", name)
            continue
        for number, piece in enumerate(split_text(_read(path), _LIMIT)):
            yield Document(f"own:{name}:{number}", "own", piece, f"{name}#{number // _STRETCH}")


def _read(path: Path) -> str:
    data = path.read_bytes()
    if b"\0" in data:
        raise UserError(f"{path} is a binary file (it has zero bytes). Remove it or convert it to text.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}). Convert it to UTF-8 or remove it.") from error
    if not text.strip():
        raise UserError(f"{path} is empty. Remove it from the folder or fill it.")
    return text.replace("\r\n", "\n")
