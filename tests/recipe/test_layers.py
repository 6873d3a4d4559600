from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.recipe.layers import preset_names, recipe_layers
from cygnet.settings.layers import merge, parse_override


def settings(recipe: object, *overrides: str) -> dict[str, object]:
    return merge(recipe_layers(str(recipe), overrides))


def test_later_layers_win_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text("depth = 3\n[sft]\nepochs = 2\nlr = 0.1\n")
    (tmp_path / "mine.toml").write_text('extends = "base.toml"\n[sft]\nepochs = 5\n')
    assert settings(tmp_path / "mine.toml", "sft.lr=0.3", "rl.kl=0.1") == {
        "name": "mine",
        "depth": 3,
        "sft": {"epochs": 5, "lr": 0.3},
        "rl": {"kl": 0.1},
    }


def test_a_sections_values_are_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text("[tokens]\nshares = {docs = 0.4, code = 0.6}\nlist = [1, 2]\nkept = 1\n")
    (tmp_path / "mine.toml").write_text('extends = "base.toml"\n[tokens]\nshares = {own = 1.0}\nlist = [3]\n')
    assert settings(tmp_path / "mine.toml")["tokens"] == {"shares": {"own": 1.0}, "list": [3], "kept": 1}
    assert settings(tmp_path / "mine.toml", "tokens=4")["tokens"] == 4


def test_extends_is_relative_to_the_file_that_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/base.toml").write_text("depth = 3\n")
    (tmp_path / "there/mine.toml").write_text('extends = "base.toml"\n')
    monkeypatch.chdir(tmp_path)
    assert settings("there/mine.toml")["depth"] == 3


def test_a_file_can_extend_a_preset_and_has_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('extends = "pocket"\n')
    assert settings(tmp_path / "mine.toml") == {**settings("pocket"), "name": "mine"}


def test_a_circle_of_extends_is_named(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "c"), ("c", "b")):
        (tmp_path / f"{name}.toml").write_text(f'extends = "{other}.toml"\n')
    with pytest.raises(UserError, match=r"circle: \S*b\.toml → \S*c\.toml → \S*b\.toml\."):
        settings(tmp_path / "a.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('extends = "nowhere.toml"\n', r"mine\.toml: extends: there is no recipe 'nowhere.toml'"),
        ("extends = 3\n", r"mine\.toml: extends: should be one recipe's name"),
        ("depth = \n", r"mine\.toml can't be read as TOML: Invalid value \(at line 1"),
        ("depth = 1\ndepth = 2\n", r"mine\.toml can't be read as TOML"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(UserError, match=message):
        settings(tmp_path / "mine.toml")


def test_a_binary_file_is_no_recipe(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="can't be read as TOML"):
        settings(tmp_path / "mine.toml")


def test_a_saved_recipe_that_is_no_object_is_told(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text("[1]")
    with pytest.raises(UserError, match=r"recipe\.json is no recipe: a recipe is an object"):
        settings(tmp_path)


def test_a_recipe_that_is_not_there_gets_a_hint() -> None:
    with pytest.raises(UserError, match=r"no recipe 'poket'. Did you mean pocket\? It can be one of evening, p"):
        settings("poket")


def test_a_run_folder_is_the_recipe_it_was_made_with(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text('{"name": "old", "depth": 2, "hash": "abc"}')
    assert settings(tmp_path) == {"name": "old", "depth": 2}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("3e-4", 3e-4),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ("{docs = 0.5}", {"docs": 0.5}),
        ('"3"', "3"),
        ("bare words", "bare words"),
        ("a=b", "a=b"),
        ("", ""),
        ("1\nother = 2", "1\nother = 2"),
    ],
)
def test_override_values_are_toml_or_else_strings(text: str, value: object) -> None:
    assert parse_override(f"a.b={text}").data == {"a": {"b": value}}


@pytest.mark.parametrize("text", ["depth", "=3", "a..b=3", ".a=1"])
def test_what_is_no_setting_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is not a setting: write key=value"):
        parse_override(text)


def test_the_presets_are_there() -> None:
    assert preset_names() == ["evening", "pocket", "smoke"]
