import platform
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from cygnet.corpus.reading.config import PythonSource
from cygnet.corpus.reading.shards import list_shards, read_shard
from cygnet.corpus.records import Record, Skipped

FILES = {
    "package/inner.py": '''
        """A module that exists to have things in it."""

        def _hidden():
            """Nobody should read this one, it is private."""

        class Circle:
            """A round shape with a radius."""

            def diameter(self):
                """Twice the radius of the circle."""
                return 2 * self.radius
    ''',
    "broken.py": "def f(:\n",
    "test/test_shapes.py": "def test():\n    assert True\n",
    "pydoc_data/topics.py": r"topics = {'lambda': 'Lambdas\n*******\n\nLambda expressions are “small” functions.\n'}",
}


@pytest.fixture
def stdlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(dedent(text).lstrip("\n"))
    monkeypatch.setattr("cygnet.corpus.reading.python.stdlib_folder", lambda: tmp_path)
    return tmp_path


def read(part: Any, extract: Any) -> list[Record | Skipped]:
    config = PythonSource(kind="python", part=part)
    (shard,) = list_shards(config, Path())
    return list(read_shard("python", config, shard, extract))


def records(items: list[Record | Skipped]) -> dict[str, Record]:
    return {item.url: item for item in items if isinstance(item, Record)}


@pytest.mark.usefixtures("stdlib")
def test_documentation_is_known_by_its_name_and_says_what_it_is_held_out_with(extract: Any) -> None:
    found = records(read("docs", extract))
    method = found["docs:package.inner.Circle.diameter:9.0"]
    assert method.text == "package.inner.Circle.diameter()\n\nTwice the radius of the circle."
    assert method.metadata == {"origin": "package.inner", "unit": "package"}
    assert found["docs:reference/lambda:0.0"].text == 'Lambdas\n\nLambda expressions are "small" functions.'
    assert found["docs:reference/lambda:0.0"].metadata["unit"] == "reference/lambda"
    assert {found["docs:builtins:len.0"].metadata["unit"], found["docs:os:os.getcwd.0"].metadata["unit"]} == {
        "builtins",
        "os",
    }


@pytest.mark.usefixtures("stdlib")
def test_code_is_read_as_it_is_written(extract: Any) -> None:
    hidden, circle = records(items := read("code", extract)).values()
    assert (hidden.url, circle.url) == ("code:package.inner._hidden:3.0", "code:package.inner.Circle:6.0")
    assert circle.text.startswith('class Circle:\n    """A round shape')
    assert [(item.reason, item.url) for item in items if isinstance(item, Skipped)] == [
        ("not_python", "broken"),
        ("module_level_statement", "package.inner"),
        ("folder_not_used", "pydoc_data"),
        ("folder_not_used", "test"),
    ]


@pytest.mark.usefixtures("stdlib")
def test_what_is_left_out_is_told_by_its_rule(extract: Any) -> None:
    skipped = [item for item in read("docs", extract) if isinstance(item, Skipped)]
    assert Skipped("python", "broken", "not_python") in skipped
    assert Skipped("python", "test", "folder_not_used") in skipped
    assert Skipped("python", "package.inner._hidden", "private_name") in skipped


def test_another_python_is_another_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    config = PythonSource(kind="python", part="docs")
    (here,) = list_shards(config, Path())
    monkeypatch.setattr(platform, "python_version", lambda: "3.99.0")
    (there,) = list_shards(config, Path())
    assert (here.paths, there.paths, there.name) == ((), (), "python-3.99.0/docs")
    assert here.name != there.name
