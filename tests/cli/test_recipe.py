import json
import tomllib
from pathlib import Path

from cygnet.recipe.layers import preset_names
from cygnet.recipe.load import load_recipe


def test_list_shows_every_preset_with_what_it_is(cygnet) -> None:
    lines = cygnet("recipe", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == preset_names()
    assert all(len(line.split()) > 4 for line in lines)


def test_show_prints_a_recipe_that_can_be_run(cygnet, tmp_path: Path) -> None:
    shown = cygnet("recipe", "show", "smoke", "depth=3").out
    assert tomllib.loads(shown)["pretrain"]["depth"] == 3
    (tmp_path / "mine.toml").write_text(shown)
    assert cygnet("recipe", "show", tmp_path / "mine.toml").out == shown
    assert "name" not in tomllib.loads(shown)
    assert load_recipe([str(tmp_path / "mine.toml")]).name == "mine"


def test_diff_shows_what_differs_and_only_that(cygnet, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('extends = "pocket"\nname = "pocket"\nseed = 5\n[sft]\nepochs = 0.5\n')
    lines = cygnet("recipe", "diff", "pocket", tmp_path / "mine.toml").out.splitlines()
    assert lines[0] == "seed: 1 → 5"
    assert lines[1].endswith("→ 0.5")
    assert len(lines) == 2
    assert cygnet("recipe", "diff", "pocket", "pocket").out == ""


def test_schema_is_json(cygnet) -> None:
    assert json.loads(cygnet("recipe", "schema").out)["properties"]["seed"]["type"] == "integer"


def test_mistakes_are_told_in_one_go(cygnet, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('extends = "pocket"\n[sft]\nepoch = 3\n[rl]\niterations = 1.5\n')
    code, out, err = cygnet("recipe", "show", tmp_path / "bad.toml", "seed=-1")
    assert (code, out) == (2, "")
    assert err.splitlines()[0] == "cygnet: 3 mistakes in the settings:"
    assert "bad.toml: sft.epoch: there is no such key. Did you mean sft.epochs?" in err
    assert "bad.toml: rl.iterations: should be a valid integer" in err
    assert "the argument seed=-1: seed: should be greater than or equal to 0 (found -1)" in err
