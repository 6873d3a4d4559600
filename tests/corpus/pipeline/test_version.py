import ast
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

import cygnet
from cygnet import code
from cygnet.corpus.pipeline import stages, version
from cygnet.corpus.pipeline.version import stage_version

PACKAGE = Path(cygnet.__file__).parent


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the corpus room to edit; only its hashes are looked at, it is never imported."""
    shutil.copytree(PACKAGE / "corpus", tmp_path / "corpus", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "PACKAGE", tmp_path)
    code.code_hash.cache_clear()
    yield tmp_path
    code.code_hash.cache_clear()


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("crawl/fetch.py", []),
        ("pipeline/look.py", []),
        ("pipeline/engines/local.py", []),
        ("mixture.py", []),
        ("reading/jsonl.py", ["read"]),
        ("extraction/language.py", ["read", "tag"]),
        ("dedup/near.py", ["duplicates"]),
        ("dedup/signatures.py", ["tag", "duplicates"]),
        ("quality/rules.py", ["tag", "judge", "finish"]),
        ("pii.py", ["finish"]),
        ("pipeline/stages.py", list(stages.STAGES)),
    ],
)
def test_an_edit_reaches_the_stages_that_use_it(package: Path, file: str, changed: list[str]) -> None:
    before = {stage: stage_version(stage, {}) for stage in stages.STAGES}
    path = package / "corpus" / file
    path.write_text(path.read_text() + "\n# edited\n")
    code.code_hash.cache_clear()
    assert {stage for stage in stages.STAGES if stage_version(stage, {}) != before[stage]} == set(changed)


def test_every_stage_has_its_parts_and_every_part_is_there() -> None:
    assert set(version._PARTS) == set(stages.STAGES)
    assert all(code.code_files(PACKAGE / part) for parts in version._PARTS.values() for part in parts)


@pytest.mark.parametrize("stage", stages.STAGES)
def test_what_a_stage_imports_of_the_corpus_is_among_its_parts(stage: str) -> None:
    """Whatever its function uses, and all that this imports in turn; but for the schemas, which count everywhere."""
    known = {file for part in version._PARTS[stage] for file in code.code_files(PACKAGE / part)}
    # which decide nothing in a file but by what the task is told, or by the files that it is given
    others = ("corpus/pipeline/task.py", "corpus/reading/config.py", "corpus/crawl/run.py", "corpus/crawl/settings.py")
    told = {PACKAGE / other for other in others}
    everywhere = {PACKAGE / part for part in version._ALL}
    assert _imported(_used_by(stages.STAGES[stage]), everywhere | told) - known == set()


def _used_by(function: Any) -> set[Path]:
    """The modules of the corpus whose names a function uses, or the functions of its own module that it uses."""
    names, seen, files = [function.__name__], set[str](), set[Path]()
    while names:
        name = names.pop()
        found = vars(stages).get(name)
        if name in seen or found is None:
            continue
        seen.add(name)
        home = getattr(found, "__module__", None) or ""
        if home == stages.__name__:
            inner = vars(found).values() if isinstance(found, type) else [found]
            codes = [one.__code__ for one in inner if isinstance(one, FunctionType)]
            while codes:
                one = codes.pop()
                names += one.co_names
                codes += [const for const in one.co_consts if isinstance(const, CodeType)]
        elif home.startswith("cygnet.corpus."):
            files.add(_file(home))
    return files


def _imported(files: set[Path], but: set[Path]) -> set[Path]:
    """These and all files of the corpus that they import, and so on; but for some and what these import."""
    waiting, seen = list(files), set[Path]()
    while waiting:
        file = waiting.pop()
        if file in seen | but:
            continue
        seen.add(file)
        nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        modules = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        waiting += [_file(module) for module in modules if module.startswith("cygnet.corpus.")]
    return seen


def _file(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_another_version_of_a_parser_makes_its_shards_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    def versions() -> list[list[str]]:
        version._installed.cache_clear()
        told = {"extraction": {"extractor": "trafilatura"}}
        return [stage_version("read", {}), stage_version("read", told), stage_version("tag", {})]

    before = versions()
    installed = version.version
    for package, changed in {"resiliparse": [0, 1], "trafilatura": [1], "rensa": [2]}.items():
        with monkeypatch.context() as patch:
            patch.setattr(version, "version", lambda name, new=package: "99" if name == new else installed(name))
            assert [place for place, now in enumerate(versions()) if now != before[place]] == changed
    assert versions() == before
