"""A standard library small enough to know by heart."""

from pathlib import Path
from textwrap import dedent

import pytest

FILES = {
    "shapes.py": '''
        """Shapes and their areas, for tests.

        Nothing else is in here."""
        import math

        SIDES = 4


        def area(width, height=1, *, unit="m"):
            """Return the area of a rectangle.

            ``unit`` is what **both** sides are measured in; see :func:`perimeter`.
            """
            return width * height


        def _hidden(x):
            """Nobody should read this one, it is private."""
            return x


        def bare(x):
            return x + 1


        class Circle:
            """A round shape with a radius."""

            def __init__(self, radius, *, color=None):
                self.radius = radius

            # what it looks like
            @property
            def diameter(self):
                """Twice the radius of the circle."""
                return 2 * self.radius

            @classmethod
            def unit(cls):
                """Return the circle of radius one."""
                return cls(1)

            @staticmethod
            def name_of(number, /, plural=False):
                """Return the English name of a number."""
                return str(number)
    ''',
    "tables.py": "TABLE = [" + ", ".join(map(str, range(300))) + "]\n\n\ndef look(i):\n    return TABLE[i]\n",
    "package/__init__.py": '"""A package that exists to have a module inside."""\n',
    "package/inner.py": 'def long(x):\n    """Do it line by line."""\n'
    + "\n".join(f"    x = x + {number}  # line number {number}\n" for number in range(60))
    + "    return x\n",
    "_pydecimal.py": 'def quantize(exp):\n    """Round to a fixed exponent, as bankers do."""\n    return exp\n',
    "broken.py": "def f(:\n",
    "test/test_shapes.py": "def test():\n    assert True\n",
    "pydoc_data/topics.py": """
        topics = {'lambda': 'Lambdas\\n*******\\n\\nLambda expressions are “small” functions without a name.\\n',
                  'with': 'The "with" statement\\n====================\\n\\nIt wraps a block.\\n'
                          '\\n\\nSee also\\n--------\\n\\n   +---+\\n   | a |\\n   +===+\\n'
                          '\\nThe specification of context managers.\\n'}
    """,
}


@pytest.fixture
def stdlib(tmp_path: Path) -> Path:
    folder = tmp_path / "lib"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    (folder / "latin.py").write_bytes(b"# caf\xe9\n")
    return folder
