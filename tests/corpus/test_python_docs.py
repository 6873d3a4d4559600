import ast
import copy
from pathlib import Path

from cygnet.corpus.document import Document, Dropped
from cygnet.corpus.python_docs import compiled, docstrings, topics
from cygnet.corpus.standard_library import Module, read_modules, stdlib_folder

AREA = """shapes.area(width, height=1, *, unit='m')

Return the area of a rectangle.

unit is what both sides are measured in; see perimeter."""


def texts(stdlib: Path, name: str) -> list[str]:
    module = next(item for item in read_modules(stdlib) if isinstance(item, Module) and item.name == name)
    return [item.text for item in docstrings(module) if isinstance(item, Document)]


def test_a_docstring_is_headed_by_the_signature_its_users_write(stdlib: Path) -> None:
    assert texts(stdlib, "shapes") == [
        "shapes\n\nShapes and their areas, for tests.\n\nNothing else is in here.",
        AREA,
        "shapes.Circle(radius, *, color=None)\n\nA round shape with a radius.",
        "shapes.Circle.diameter\n\nTwice the radius of the circle.",
        "shapes.Circle.unit()\n\nReturn the circle of radius one.",
        "shapes.Circle.name_of(number, /, plural=False)\n\nReturn the English name of a number.",
    ]


def test_private_and_undocumented_things_are_counted_not_kept(stdlib: Path) -> None:
    module = next(item for item in read_modules(stdlib) if isinstance(item, Module) and item.name == "shapes")
    dropped = [item for item in docstrings(module) if isinstance(item, Dropped)]
    assert dropped == [
        Dropped("private_name", "shapes._hidden"),
        Dropped("no_docstring", "shapes.bare"),
        Dropped("private_name", "shapes.Circle.__init__"),
    ]


def test_reading_a_module_leaves_its_tree_as_it_was() -> None:
    tree = ast.parse('class A:\n    def f(self=1):\n        """What this method does."""')
    before = ast.dump(copy.deepcopy(tree))
    (document,) = (item for item in docstrings(Module("a", "", tree)) if isinstance(item, Document))
    assert document.text.startswith("a.A.f()\n")
    assert ast.dump(tree) == before


def test_operators_and_keyword_arguments_are_not_taken_for_bold() -> None:
    body = "Return 2**3**4 or f(*args, **kwargs), and **surely** not g(**a, **b)."
    tree = ast.parse(f'def f():\n    """{body}"""')
    (document,) = (item for item in docstrings(Module("a", "", tree)) if isinstance(item, Document))
    assert document.text.endswith(body.replace("**surely**", "surely"))


def test_a_long_docstring_becomes_several_documents_under_the_same_heading() -> None:
    paragraphs = "\n\n".join(f"Paragraph {number} " + "word " * 60 for number in range(6))
    tree = ast.parse(f'def f(x):\n    """{paragraphs}"""')
    documents = [item for item in docstrings(Module("a", "", tree)) if isinstance(item, Document)]
    assert len(documents) == 3
    assert all(item.text.startswith("a.f(x)\n\nParagraph") and len(item.text) <= 800 for item in documents)
    assert len({item.id for item in documents}) == 3


def test_topics_are_cut_at_their_titles_with_straight_quotes_and_no_tables(stdlib: Path) -> None:
    assert [(item.origin, item.text) for item in topics(stdlib) if isinstance(item, Document)] == [
        ("reference/lambda", 'Lambdas\n\nLambda expressions are "small" functions without a name.'),
        ("reference/with", "See also\n\nThe specification of context managers."),
    ]


def test_builtins_are_documented_by_the_names_one_writes() -> None:
    found = {item.text.partition("\n")[0]: item for item in compiled() if isinstance(item, Document)}
    assert found["str.upper()"].text == "str.upper()\n\nReturn a copy of the string converted to uppercase."
    assert found["str.upper()"].origin == "builtins"
    assert {"math.floor(x, /)", "collections.deque.append", "os.listdir(path=None)"} <= set(found)


def test_the_running_python_has_a_language_reference() -> None:
    found = [item for item in topics(stdlib_folder()) if isinstance(item, Document)]
    assert len(found) > 300
    assert len({item.id for item in found}) == len(found)
    assert not any("\n***" in item.text for item in found)
