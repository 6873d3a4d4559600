import ast
import textwrap as textwrap_module
from pathlib import Path

from cygnet.corpus.document import Document, Dropped
from cygnet.corpus.python_code import code
from cygnet.corpus.standard_library import Module, read_modules


def items_of(stdlib: Path, name: str) -> list[Document | Dropped]:
    module = next(item for item in read_modules(stdlib) if isinstance(item, Module) and item.name == name)
    return list(code(module))


def test_functions_and_classes_are_kept_character_for_character(stdlib: Path) -> None:
    source = (stdlib / "shapes.py").read_text()
    documents = [item for item in items_of(stdlib, "shapes") if isinstance(item, Document)]
    assert [item.id for item in documents] == [
        "code:shapes.area:9.0",
        "code:shapes._hidden:17.0",
        "code:shapes.Circle:26.0",
    ] + [item.id for item in documents[3:]]
    assert all(item.text in source and item.origin == "shapes" for item in documents)


def test_module_level_statements_and_stubs_are_counted(stdlib: Path) -> None:
    dropped = [item.rule for item in items_of(stdlib, "shapes") if isinstance(item, Dropped)]
    assert sorted(dropped) == ["module_level_statement"] * 3 + ["short_code"]


def test_a_file_of_data_is_dropped_whole(stdlib: Path) -> None:
    assert items_of(stdlib, "tables") == [Dropped("mostly_data", "tables")]


def test_a_long_function_is_cut_and_its_pieces_are_the_whole(stdlib: Path) -> None:
    documents = [item for item in items_of(stdlib, "package.inner") if isinstance(item, Document)]
    assert len(documents) > 1
    assert all(len(item.text) <= 1_200 for item in documents)
    written = "".join("".join(item.text.split()) for item in documents)
    assert written == "".join((stdlib / "package" / "inner.py").read_text().split())


def test_a_class_is_cut_before_decorators_and_comments_of_its_methods() -> None:
    method = "    # why\n    @property\n    def p{0}(self):\n        return " + "1 + " * 150 + "{0}\n"
    text = "class A:\n    x = 1\n\n" + "\n".join(method.format(number) for number in range(3))
    documents = [item for item in code(Module("a", text, ast.parse(text))) if isinstance(item, Document)]
    assert [item.text.split("\n")[0] for item in documents] == ["class A:", "    # why", "    # why"]


def test_a_real_module() -> None:
    path = Path(textwrap_module.__file__)
    text = path.read_text(encoding="utf-8")
    documents = [item for item in code(Module("textwrap", text, ast.parse(text))) if isinstance(item, Document)]
    assert any(item.text.startswith("def dedent(text):") for item in documents)
    assert all(item.text in text for item in documents)
