"""What pages say about the code is what the code says."""

import json
import re
import tomllib
from pathlib import Path

from cygnet.corpus.config import CorpusConfig
from cygnet.corpus.pages import pages_recipe
from cygnet.corpus.pipeline.build import build
from cygnet.corpus.pipeline.engines.local import Local
from cygnet.corpus.pipeline.progress import silent
from cygnet.files import read_json


def test_generated_pages_are_current(generator, root: Path) -> None:
    stale = [str(path.relative_to(root)) for path, text in generator.pages().items() if path.read_text() != text]
    assert not stale, "run `make reference`"


def test_a_changed_setting_makes_the_pages_stale(generator, monkeypatch) -> None:
    from cygnet.recipe import schema

    before = generator.recipe_page()
    monkeypatch.setattr(schema.Recipe.model_fields["seed"], "description", "of something else")
    schema.Recipe.model_rebuild(force=True)
    try:
        assert generator.recipe_page() != before
    finally:
        monkeypatch.undo()
        schema.Recipe.model_rebuild(force=True)
    assert generator.recipe_page() == before


def test_imports_point_only_downwards(generator) -> None:
    from generated_blocks import ROOMS, imported_rooms

    imports = imported_rooms()
    assert set(imports) == set(ROOMS), "a room is missing from the page, or from the package"
    for place, room in enumerate(ROOMS):
        assert imports[room] <= set(ROOMS[place + 1 :]), f"{room} imports a room that is not below it"


def test_files_lists_everything_in_a_run_folder(tiny_run: Path, root: Path) -> None:
    page = (root / "docs/reference/files.md").read_text()
    tree = page.split("```text")[1].split("```")[0]
    for path in tiny_run.rglob("*"):
        if path.is_file() and path.parent.name != "tokens":
            assert path.name in tree, path.relative_to(tiny_run)
    for name in ("index.json", "train.bin", "train.offsets.npy", "train.sources.npy"):
        assert name in tree
        assert (tiny_run / "tokens" / name).exists()
    for folder in re.findall(r"^[├└]── ([a-z/, ]+/)(?=\s)", tree, re.MULTILINE):
        for name in folder.split(", "):
            assert (tiny_run / name).is_dir() or name == "pages/", name  # the tiny run reads nothing


def test_files_lists_what_a_run_has_read(texts: Path, tmp_path: Path, root: Path) -> None:
    recipe = pages_recipe(CorpusConfig(sources=(), text_folder=str(texts)), {})
    assert recipe
    build(recipe, tmp_path, tmp_path / "pages", Local(1), silent)
    listed = (root / "docs/reference/files.md").read_text().split("├── pages/")[1].split("├── corpus/")[0]
    for path in (tmp_path / "pages").iterdir():
        assert path.name.startswith(".") or path.name in listed, path.name


def test_files_names_every_key(tiny_run: Path, root: Path) -> None:
    page = (root / "docs/reference/files.md").read_text()
    rows = [tiny_run / "arena/matches.jsonl", tiny_run / "arena/stages.jsonl", *tiny_run.glob("conversations/*.jsonl")]
    rows += [*tiny_run.glob("comparisons/*.jsonl"), *tiny_run.glob("metrics/*.jsonl")]
    keys = {key for path in rows for line in path.read_text().splitlines() for key in json.loads(line)}
    keys |= set(read_json(tiny_run / "lineage.json")["stages"]["sft"]) | set(read_json(tiny_run / "tokens/index.json"))
    report = read_json(tiny_run / "report.json")
    keys |= set(report) | set(report["ladder"][0]) | set(report["next"][0])
    keys |= {key for stage in report["stages"].values() for key in stage}
    exercise = json.loads((tiny_run / "conversations/validation.jsonl").read_text().splitlines()[0])["exercise"]
    keys |= (
        set(exercise) | set(read_json(tiny_run / "arena/ladder.json")) | set(read_json(tiny_run / "corpus/stats.json"))
    )
    known = set(re.findall(r"`([\w.<>/]+)`", page))
    known |= {name.rpartition(".")[2] for name in known}
    assert keys <= known | {"event", "step"}, keys - known


def test_dependencies_are_all_explained(root: Path) -> None:
    page = (root / "docs/explanation/dependencies.md").read_text()
    explained = dict(re.findall(r"^\| ([\w-]+) \| (\d[\w.]*) \|", page, re.MULTILINE))
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    pins = dict(line.split("==") for line in (root / "constraints.txt").read_text().splitlines() if "==" in line)
    assert explained == {name: pins[name] for name in (text.split(">=")[0] for text in project["dependencies"])}
    for extra, requirements in project["optional-dependencies"].items():
        for name in (re.split(r">=|\[", text)[0] for text in requirements):
            assert re.search(rf"^\| {extra} \|.*\b{name}\b", page, re.MULTILINE), name
