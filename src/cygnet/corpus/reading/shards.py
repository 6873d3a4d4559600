"""A source in shards, each read by itself, in any process."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cygnet.corpus.extraction.isolated import Extract
from cygnet.corpus.reading import jsonl, parquet, warc
from cygnet.corpus.reading.config import (
    FolderSource,
    HubSource,
    JsonlSource,
    ParquetSource,
    PydocSource,
    PythonSource,
    SiteSource,
    Source,
    TextsSource,
    WarcSource,
)
from cygnet.corpus.reading.files import find_files
from cygnet.corpus.reading.folder import read_file
from cygnet.corpus.reading.hub import read_dataset
from cygnet.corpus.reading.pydoc_pages import read_pydoc
from cygnet.corpus.reading.python import read_python
from cygnet.corpus.reading.texts import find_texts, read_text
from cygnet.corpus.records import Record, Skipped
from cygnet.errors import UserError

_SMALL_FILES = 1_000  # of a folder, in one shard
_SMALL_BYTES = 64 << 20
_SUFFIXES = {"warc": warc.SUFFIXES, "jsonl": jsonl.SUFFIXES, "parquet": parquet.SUFFIXES}


@dataclass(frozen=True)
class Shard:
    """A part of a source: its name, unique in the source, its files, and their bytes (0 where that isn't known)."""

    name: str
    paths: tuple[Path, ...]
    size: int


def list_shards(config: Source, base: Path, crawled: Path | None = None) -> list[Shard]:
    """The shards of a source in a fixed order; relative paths begin at `base`. crawled: the folder of its crawl.

    A file is a shard, and so are up to 1,000 files or 64 MiB of a folder, a data set of the hub, a crawl, and a part of
    the installed Python, whose name says which version it is of.

    Raises:
        UserError: when a path names nothing, or the crawl was not finished.
    """
    if isinstance(config, SiteSource | PydocSource):
        assert crawled is not None
        files = find_files((str(crawled),), base, (".warc.gz",))
        return [Shard(f"crawl/{crawled.name}", tuple(files), sum(map(_size, files)))]
    if isinstance(config, HubSource):
        return [Shard(f"{config.dataset}/{config.subset or 'default'}/{config.split}", (), 0)]
    if isinstance(config, TextsSource):
        folder = (base / config.path).resolve()
        files = find_texts(folder)
        return [Shard(folder.as_posix(), tuple(files), sum(map(_size, files)))]
    if isinstance(config, PythonSource):
        return [Shard(f"python-{platform.python_version()}/{config.part}", (), 0)]
    files = find_files(config.path, base, _SUFFIXES.get(config.kind, ()))
    groups = _grouped(files) if isinstance(config, FolderSource) else [[file] for file in files]
    return [Shard(_name(group[0], base), tuple(group), sum(_size(file) for file in group)) for group in groups]


def read_shard(source: str, config: Source, shard: Shard, extract: Extract) -> Iterator[Record | Skipped]:
    """Everything in a shard, in order, as `Record` or `Skipped`; `source` is the source's name.

    Raises:
        UserError: when a file can't be opened or lacks a column. What is wrong inside of a file never raises.
    """
    if isinstance(config, HubSource):
        yield from read_dataset(source, config)
    elif isinstance(config, PythonSource):
        yield from read_python(source, config)
    elif isinstance(config, SiteSource):
        yield from warc.read_newest(source, shard.paths, config, extract)
    elif isinstance(config, PydocSource):
        yield from read_pydoc(source, shard.paths, config, extract)
    elif isinstance(config, TextsSource):
        for path in shard.paths:
            yield from read_text(source, path, path.relative_to(shard.name).as_posix())
    else:
        yield from _read_files(source, config, shard, extract)


def _read_files(
    source: str, config: WarcSource | FolderSource | JsonlSource | ParquetSource, shard: Shard, extract: Extract
) -> Iterator[Record | Skipped]:
    for path in shard.paths:
        if not path.is_file():
            raise UserError(f"{path} has gone since the source was listed. Start again.")
        match config:
            case WarcSource():
                yield from warc.read_pages(source, path, config, extract)
            case FolderSource():
                yield from read_file(source, path, config, extract)
            case JsonlSource():
                yield from jsonl.read_objects(source, path, config)
            case ParquetSource():
                yield from parquet.read_table(source, path, config)


def _grouped(files: list[Path]) -> list[list[Path]]:
    groups: list[list[Path]] = []
    size = _SMALL_BYTES
    for file in files:
        if size >= _SMALL_BYTES or len(groups[-1]) == _SMALL_FILES:
            groups.append([])
            size = 0
        groups[-1].append(file)
        size += _size(file)
    return groups


def _size(file: Path) -> int:
    return file.stat().st_size


def _name(file: Path, base: Path) -> str:
    return (file.relative_to(base) if file.is_relative_to(base) else file).as_posix()
