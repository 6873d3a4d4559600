"""The documentation and the code of the Python that is installed, as records."""

from collections.abc import Iterable, Iterator

from cygnet.corpus.document import Document, Dropped
from cygnet.corpus.python_code import code
from cygnet.corpus.python_docs import compiled, docstrings, topics
from cygnet.corpus.reading.config import PythonSource
from cygnet.corpus.records import Record, Skipped
from cygnet.corpus.standard_library import Module, read_modules, stdlib_folder


def read_python(source: str, config: PythonSource) -> Iterator[Record | Skipped]:
    """One `Record` or `Skipped` for each docstring or definition, its URL being its name and line.

    Metadata are its `origin`, a module or `reference/<topic>`, and the `unit` that it is held out with: the top-level
    module or the topic.

    Raises:
        UserError: when the standard library has no source files.
    """
    for item in _docs() if config.part == "docs" else _code():
        if isinstance(item, Dropped):
            yield Skipped(source, item.origin, item.rule)
        else:
            known = {"origin": item.origin, "unit": item.origin.partition(".")[0]}
            yield Record(source, item.id, item.text, known)


def _docs() -> Iterator[Document | Dropped]:
    stdlib = stdlib_folder()
    for module in read_modules(stdlib):
        yield from docstrings(module) if isinstance(module, Module) else (module,)
    yield from compiled()
    yield from topics(stdlib)


def _code() -> Iterator[Document | Dropped]:
    for module in read_modules(stdlib_folder()):
        found: Iterable[Document | Dropped] = code(module) if isinstance(module, Module) else (module,)
        yield from found
