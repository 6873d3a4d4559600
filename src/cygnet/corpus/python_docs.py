"""Documentation documents: docstrings with their signatures, and the language reference that `help()` shows."""

import ast
import copy
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from cygnet.corpus.document import Document, Dropped
from cygnet.corpus.pieces import split_text
from cygnet.corpus.standard_library import Module

_LIMIT = 800  # characters a document, its heading included; about what a short context can hold
_SHORTEST = 20
_LONGEST_SIGNATURE = 120

# Documented in C only, so the sources can't show them. Value: the name users import them by.
COMPILED = {
    "builtins": "builtins",
    "_collections": "collections",
    "_csv": "csv",
    "_struct": "struct",
    "array": "array",
    "binascii": "binascii",
    "cmath": "cmath",
    "gc": "gc",
    "itertools": "itertools",
    "math": "math",
    "posix": "os",
    "sys": "sys",
    "time": "time",
    "unicodedata": "unicodedata",
    "zlib": "zlib",
}

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def docstrings(module: Module) -> Iterator[Document | Dropped]:
    """The docstrings of a module, its public classes, functions and methods, each headed by name and signature."""
    if module.name.startswith("_") and module.name != "__future__":
        yield Dropped("private_name", module.name)
        return
    docstring = ast.get_docstring(module.tree)
    yield from _documents(module.name, module.name, docstring, f"docs:{module.name}", module.name)
    yield from _definitions(module.tree, module.name, module.name)


def _definitions(parent: ast.Module | ast.ClassDef, prefix: str, origin: str) -> Iterator[Document | Dropped]:
    for node in parent.body:
        if not isinstance(node, _Function | ast.ClassDef):
            continue
        name = f"{prefix}.{node.name}"
        if node.name.startswith("_"):
            yield Dropped("private_name", name)
            continue
        signature = _signature(node, in_class=isinstance(parent, ast.ClassDef))
        identity = f"docs:{name}:{node.lineno}"
        yield from _documents(name, name + signature, ast.get_docstring(node), identity, origin)
        if isinstance(node, ast.ClassDef):
            yield from _definitions(node, name, origin)


def _signature(node: _Function | ast.ClassDef, in_class: bool) -> str:
    """The call signature as its users write it: without `self`, and a class's taken from its `__init__`."""
    decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
    if isinstance(node, ast.ClassDef):
        initializers = [child for child in node.body if isinstance(child, _Function) and child.name == "__init__"]
        return _signature(initializers[0], in_class=True) if initializers else ""
    if any("property" in decorator for decorator in decorators):
        return ""
    instance = in_class and "staticmethod" not in decorators
    return _bounded(f"({ast.unparse(_without_first(node.args) if instance else node.args)})")


def _without_first(arguments: ast.arguments) -> ast.arguments:
    """The same arguments less `self` or `cls`."""
    shorter = copy.copy(arguments)
    if arguments.posonlyargs:
        shorter.posonlyargs = arguments.posonlyargs[1:]
    else:
        shorter.args = arguments.args[1:]
    count = len(shorter.posonlyargs) + len(shorter.args)
    shorter.defaults = arguments.defaults[max(0, len(arguments.defaults) - count) :]
    return shorter


def _bounded(signature: str) -> str:
    return signature if len(signature) <= _LONGEST_SIGNATURE else "(...)"


def compiled() -> Iterator[Document | Dropped]:
    """Docstrings of the built-in types and functions, and of the C modules in a fixed list."""
    for name, public in COMPILED.items():
        try:
            module = importlib.import_module(name)
        except ImportError:
            yield Dropped("not_in_this_python", name)
            continue
        yield from _members(module, "" if public == "builtins" else f"{public}.", public)


def _members(owner: ModuleType | type, prefix: str, origin: str) -> Iterator[Document | Dropped]:
    for name, member in sorted(vars(owner).items()):
        if not (inspect.isclass(member) or inspect.isroutine(member) or inspect.isdatadescriptor(member)):
            continue
        if inspect.isfunction(member):
            continue  # written in Python: its source is read like any other
        full = prefix + name
        if name.startswith("_"):
            yield Dropped("private_name", full)
            continue
        heading = full + _compiled_signature(member, in_class=inspect.isclass(owner))
        yield from _documents(full, heading, inspect.getdoc(member), f"docs:{origin}:{full}", origin)
        if inspect.isclass(member) and not issubclass(member, BaseException):
            yield from _members(member, f"{full}.", origin)


def _compiled_signature(member: object, in_class: bool) -> str:
    if not callable(member):
        return ""
    try:
        signature = inspect.signature(member)
    except ValueError:
        return ""  # C code without a readable signature usually begins its docstring with one
    parameters = list(signature.parameters.values())
    if in_class and parameters and parameters[0].name in ("self", "type"):
        signature = signature.replace(parameters=parameters[1:])
    return _bounded(str(signature))


def topics(stdlib: Path) -> Iterator[Document | Dropped]:
    """The language reference in `pydoc_data/topics.py`, one document a section; origin is `reference/<topic>`."""
    path = stdlib / "pydoc_data" / "topics.py"
    if not path.is_file():
        yield Dropped("not_in_this_python", "pydoc_data.topics")
        return
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict):
            for topic, text in sorted(ast.literal_eval(statement.value).items()):
                for number, (title, body) in enumerate(_sections(_GRID.sub("", _straight_quotes(text)))):
                    origin = f"reference/{topic}"
                    yield from _documents(title, title, body, f"docs:{origin}:{number}", origin)


_GRID = re.compile(r"^ *(?:\+[-=+]+\+|\|.*\|) *\n", re.MULTILINE)  # tables, unreadable once cut into documents
_TITLE = re.compile(r"^(?P<title>\S.*)\n(?P<line>[*=\-~^\"'#+])(?P=line){2,}\n", re.MULTILINE)


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """(title, body) of each underlined section. Text before the first title has no section and is empty in practice."""
    titles = list(_TITLE.finditer(text))
    for here, following in zip(titles, [*titles[1:], None], strict=True):
        yield _plain(here["title"]), text[here.end() : following.start() if following else len(text)]


def _documents(name: str, heading: str, body: str | None, identity: str, origin: str) -> Iterator[Document | Dropped]:
    """A text under its heading; a long one as several documents, each with the heading."""
    if not body or not body.strip():
        yield Dropped("no_docstring", name)
        return
    text = _plain(inspect.cleandoc(body))
    if len(text) < _SHORTEST:
        yield Dropped("short_docstring", name)
        return
    for number, piece in enumerate(split_text(text, _LIMIT - len(heading) - 2)):
        yield Document(f"{identity}.{number}", "docs", f"{heading}\n\n{piece}", origin)


_ROLE = re.compile(r":(?:py:)?[a-z]+:`[~!]?([^`\n]+)`")
_LITERAL = re.compile(r"``([^`\n]+)``")
_BOLD = re.compile(r"(?<![\w*)])\*\*(\w[^*\n]*\w|\w)\*\*(?![\w*(])")


def _plain(text: str) -> str:
    """Drop the reStructuredText marks that only a renderer needs; examples and operators stay as they are."""
    text = _BOLD.sub(r"\1", _LITERAL.sub(r"\1", _ROLE.sub(r"\1", text)))
    return "\n".join(line.rstrip() for line in text.expandtabs().split("\n"))


_STRAIGHT = str.maketrans("‘’“”–—", "''\"\"--") | {ord("…"): "..."}


def _straight_quotes(text: str) -> str:
    return text.translate(_STRAIGHT)
