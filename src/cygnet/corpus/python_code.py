"""Code documents: the functions and classes of the standard library, exactly as they are written."""

import ast
from collections.abc import Iterator

from cygnet.corpus.document import Document, Dropped
from cygnet.corpus.pieces import pack
from cygnet.corpus.standard_library import Module

_LIMIT = 1_200  # characters a document; about what a short context can hold
_SHORTEST = 40
_MOST_DATA = 0.5  # of a file's characters may lie outside functions and classes

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def code(module: Module) -> Iterator[Document | Dropped]:
    """One document per top-level function or class; long ones are cut between methods, then at blank lines.

    Module-level statements (imports, constants, tables) are left out, as are files that consist mostly of them.
    Indentation and every character within a document are the source's own.
    """
    lines = module.text.splitlines(keepends=True)
    definitions = [node for node in module.tree.body if isinstance(node, Definition)]
    if definitions and _is_mostly_data(module, definitions, lines):
        yield Dropped("mostly_data", module.name)
        return
    for statement in module.tree.body:
        if not isinstance(statement, Definition):
            yield Dropped("module_level_statement", module.name)
    for node in definitions:
        line = _first_line(node)
        for number, piece in enumerate(pack(_parts(node, lines), _LIMIT)):
            text = piece.strip("\n")
            identity = f"code:{module.name}.{node.name}:{line}.{number}"
            if len(text) < _SHORTEST:
                yield Dropped("short_code", identity)
            elif max(map(len, text.split("\n"))) > _LIMIT:
                yield Dropped("overlong_line", identity)
            else:
                yield Document(identity, "code", text, module.name)


def _is_mostly_data(module: Module, definitions: list[Definition], lines: list[str]) -> bool:
    inside = sum(len("".join(_parts(node, lines))) for node in definitions)
    docstring = len(ast.get_docstring(module.tree, clean=False) or "")
    return inside < (1 - _MOST_DATA) * (len(module.text) - docstring)


def _first_line(node: Definition) -> int:
    """The 1-based line a statement begins on, decorators included."""
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _parts(node: Definition, lines: list[str]) -> list[str]:
    """The node's text; for a class, cut before each method. Comments go with the method that follows them."""
    end = node.end_lineno or node.lineno
    cuts = [_first_line(node) - 1]
    if isinstance(node, ast.ClassDef):
        for previous, statement in zip(node.body, node.body[1:], strict=False):
            start = previous.end_lineno or previous.lineno
            if isinstance(statement, Definition) and start > cuts[-1]:
                cuts.append(start)
    return ["".join(lines[start:stop]) for start, stop in zip(cuts, [*cuts[1:], end], strict=True)]
