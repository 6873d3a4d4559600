"""Making an index of files, and bringing it up to date.

First every file is read, and what has changed is cut into chunks; then chunks without a vector get one, 64 at a time,
each time in a transaction: whoever is killed goes on there.
"""

import hashlib
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cygnet.errors import UserError
from cygnet.lm.embedder import Embedder, load_embedder
from cygnet.techniques.retrieval.chunks import Size, cut
from cygnet.techniques.retrieval.documents import LeftOutError, find_files, read_bytes, read_documents
from cygnet.techniques.retrieval.store import Chunk, File, Settings, Store
from cygnet.training.metrics import Progress

NO_EMBEDDER = "none"
_ENTERED_TOGETHER = 500  # chunks
_EMBEDDED_TOGETHER = 64


@dataclass
class Built:
    """What was done. left_out: reasons, with the files they hold for; chunks: in the index now; embedded: just now."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    chunks: int = 0
    embedded: int = 0
    left_out: dict[str, list[str]] = field(default_factory=dict)


def build_index(
    places: Sequence[Path],
    out: Path,
    *,
    embedder: str | None = None,
    size: Size | None = None,
    progress: bool = True,
) -> Built:
    """Make an index of files and folders at `out`, or bring the one that is there up to date.

    Files that have not changed are not cut or embedded again; of the folders given, files that are gone are taken out.
    Files of other folders stay as they are. Links out of the places given are not followed.

    embedder: "none" (search by words alone), "minilm", a model folder or an endpoint's address; it and `size` hold for
    good: None takes the index's own, for a new one "none" and the default size.

    Raises UserError for a place that is not there, for other settings than the index was made with, and when nothing at
    all can be indexed.
    """
    if out.is_dir():
        raise UserError(f"{out} is a folder: name the file that the index is to be, such as {out / 'texts.index'}.")
    for place in places:
        if not place.exists():
            raise UserError(f"{place} does not exist: name files or folders to index.")
    is_new = _is_new(out)
    store, encoder = _open(out, embedder, size)
    try:
        built = _read(store, places, progress)
        if encoder is not None:
            built.embedded = _embed(store, encoder, progress)
        built.chunks, _ = store.count()
    finally:
        store.close()
        if encoder is not None:
            encoder.close()
    if not built.chunks:
        if is_new:
            out.unlink()
        reasons = "; ".join(f"{len(names)} {reason}" for reason, names in built.left_out.items())
        raise UserError(f"there is nothing to index in {', '.join(map(str, places))} ({reasons or 'no files'}).")
    return built


def embedded_text(chunk: Chunk) -> str:
    """What the embedder reads of a chunk: the titles above it, then its text."""
    return f"{' › '.join(chunk.titles)}\n{chunk.text}" if chunk.titles else chunk.text


def embedder_of(store: Store, address: str | None = None) -> Embedder | None:
    """The embedder that made an index's vectors, None if it has none; address: where it is now, if not where it was.

    Raises UserError when it is another one: their vectors can't be compared.
    """
    address = address or store.settings.embedder
    encoder = None if address == NO_EMBEDDER else load_embedder(address)
    name = encoder.name if encoder else NO_EMBEDDER
    if name == store.settings.embedder_name:
        return encoder
    if encoder:
        encoder.close()
    raise UserError(
        f"{store.path} was made with the embedder {store.settings.embedder_name}, not {name}: "
        "their vectors can't be compared. Use that one, or make a new index."
    )


def _open(out: Path, address: str | None, size: Size | None) -> tuple[Store, Embedder | None]:
    """The store at `out`, and its embedder if it has one."""
    if _is_new(out):
        encoder = None if address in {None, NO_EMBEDDER} else load_embedder(str(address))
        where, name = (encoder.address, encoder.name) if encoder else (NO_EMBEDDER, NO_EMBEDDER)
        size = size or Size()
        _make_folder(out.parent)
        return Store(out, Settings(where, name, size.words, size.overlap)), encoder
    store = Store(out)
    try:
        made = store.settings
        if size not in {None, Size(made.words, made.overlap)}:
            raise UserError(
                f"{out} was made with chunks of {made.words} words that share {made.overlap}: "
                "leave the size out, or make a new index."
            )
        return store, embedder_of(store, address)
    except BaseException:
        store.close()
        raise


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"the folder {folder} can't be made: {error.strerror}. Choose another place for the index."
        ) from error


def _is_new(out: Path) -> bool:
    """Whether there is no index yet; whoever was killed while making one may have left an empty file."""
    return not out.exists() or (out.is_file() and not out.stat().st_size)


def _read(store: Store, places: Sequence[Path], progress: bool) -> Built:
    """Bring the files and chunks of the index up to date."""
    built = Built()
    known, seen = store.files(), set[str]()
    size = Size(store.settings.words, store.settings.overlap)
    roots = [place.resolve() for place in places]
    found = {path: name for root in roots for path, name in _named(root, store.path)}
    shown = Progress("read", len(found), progress)
    waiting: list[File] = []
    for number, (path, name) in enumerate(found.items(), 1):
        try:
            _require_own(path, found, roots)
            file = _file(path, name, known, size)
        except LeftOutError as reason:
            built.left_out.setdefault(str(reason), []).append(name)
            continue
        finally:
            shown.update(number, {})
        seen.add(str(path))
        if file is None:
            built.unchanged += 1
            continue
        built.changed += file.path in known
        built.new += file.path not in known
        waiting.append(file)
        if sum(len(each.pieces) for each in waiting) >= _ENTERED_TOGETHER:
            store.put_files(waiting)
            waiting = []
    store.put_files(waiting)
    gone = [path for path in known if path not in seen and any(Path(path).is_relative_to(root) for root in roots)]
    store.drop_files(gone)
    built.removed = len(gone)
    return built


def _named(place: Path, index: Path) -> Iterator[tuple[Path, str]]:
    """The files of a place, each with its name in citations, which begins with the folder's; without the index."""
    index = index.resolve()
    for path in find_files(place):
        if path not in {index, index.with_name(f"{index.name}-journal")}:
            yield path, path.relative_to(place.parent).as_posix()


def _require_own(path: Path, found: Collection[Path], roots: Sequence[Path]) -> None:
    """Raise LeftOutError for a link to what was not named, or to what is read anyway."""
    if not path.is_symlink():
        return
    target = path.resolve()
    if target in found:
        raise LeftOutError("a link to a file that is indexed by itself")
    if not any(target.is_relative_to(root) for root in roots):
        raise LeftOutError("a link out of the folder: name what it leads to, to index that")


def _file(path: Path, name: str, known: dict[str, str], size: Size) -> File | None:
    """A file with its chunks; None when the index has it as it is. Raises LeftOutError."""
    if any("\ud800" <= character <= "\udfff" for character in str(path)):
        raise LeftOutError("its name is not UTF-8")
    data = read_bytes(path)
    sha256 = hashlib.sha256(data).hexdigest()
    if known.get(str(path)) == sha256:
        return None
    pieces = [(document.row, piece) for document in read_documents(path, data) for piece in cut(document, size)]
    if not pieces:
        raise LeftOutError("without text")
    return File(str(path), name, sha256, pieces)


def _embed(store: Store, encoder: Embedder, progress: bool) -> int:
    """Give every chunk without a vector one. Returns how many."""
    chunks, done = store.count()
    missing, embedded = chunks - done, 0
    shown = Progress("embed", missing, progress)
    began = time.monotonic()
    while several := store.without_vectors(_EMBEDDED_TOGETHER):
        store.put_vectors([chunk.id for chunk in several], encoder.embed([embedded_text(chunk) for chunk in several]))
        embedded += len(several)
        shown.update(embedded, {"chunks/s": embedded / max(time.monotonic() - began, 1e-9)})
    return embedded
