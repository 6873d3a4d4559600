import json
from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.recipe.layers import preset_names
from cygnet.recipe.load import default_folder, differences, load_recipe, recipe_schema, stage_recipe
from cygnet.recipe.schema import Recipe
from cygnet.settings.toml import to_toml


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_valid_and_says_what_it_is(name: str) -> None:
    recipe = load_recipe([name])
    assert recipe.name == name
    assert recipe.description
    sources = set(recipe.corpus.sources) | ({"own"} if recipe.corpus.text_folder else set())
    assert set(recipe.tokens.proportions) == sources


def test_pocket_is_the_default_and_settings_go_anywhere() -> None:
    assert load_recipe() == load_recipe(["pocket"])
    assert load_recipe(["seed=7", "pocket"]) == load_recipe(["pocket", "seed=7"])
    assert load_recipe(["seed=7"]).seed == 7


def test_depth_is_the_dial() -> None:
    assert load_recipe(["depth=9"]).pretrain.depth == 9
    assert load_recipe(["depth=9", "pretrain.depth=2"]).pretrain.depth == 2
    assert load_recipe(["pretrain.depth=2", "depth=9"]).pretrain.depth == 9
    with pytest.raises(UserError, match="the argument depth=deep: pretrain.depth: should be a valid integer"):
        load_recipe(["depth=deep"])


def test_two_recipes_at_once_are_refused() -> None:
    with pytest.raises(UserError, match="expected one recipe, found 2: pocket, smoke"):
        load_recipe(["pocket", "smoke"])


def test_a_resolved_recipe_reads_back(tmp_path: Path) -> None:
    recipe = load_recipe(["smoke", "seed=3"])
    (tmp_path / "recipe.json").write_text(json.dumps(recipe.to_json()))
    (tmp_path / "mine.toml").write_text(to_toml(recipe.model_dump(mode="json")))
    assert load_recipe([str(tmp_path)]) == recipe
    assert load_recipe([str(tmp_path / "mine.toml")]) == recipe


def test_the_hash_changes_with_any_setting() -> None:
    one, same, other = load_recipe(), load_recipe(["seed=1"]), load_recipe(["sft.epochs=0.123"])
    assert one.to_json()["hash"] == same.to_json()["hash"] != other.to_json()["hash"]
    assert load_recipe([]).to_json()["seed"] == 1


@pytest.mark.parametrize("shares", ["{docs = 0.5}", "{docs = 1.5, code = -0.5}", "{}"])
def test_proportions_add_up_to_one(tmp_path: Path, shares: str) -> None:
    with pytest.raises(UserError, match="tokens.proportions: should be shares above 0 that add up to 1"):
        stage_recipe("pretrain", [f"tokens.proportions={shares}"])


@pytest.mark.parametrize("name", ["a/b", "", "..", "a b"])
def test_a_name_is_one_folder(name: str) -> None:
    with pytest.raises(UserError, match=r"name: String should match|name: should match"):
        load_recipe([f"name={name}"])


def test_the_settings_of_one_stage() -> None:
    recipe = stage_recipe("sft", ["epochs=2.5", "seed=4", "sft.warmup=3", "training.recompute=true"])
    assert (recipe.sft.epochs, recipe.seed, recipe.sft.warmup, recipe.training.recompute) == (2.5, 4, 3, True)
    assert stage_recipe("sft", []) == Recipe(name="sft")
    with pytest.raises(
        UserError, match="the argument epoch=2: sft.epoch: there is no such key. Did you mean sft.epochs"
    ):
        stage_recipe("sft", ["epoch=2"])
    with pytest.raises(UserError, match=r"sft\.lr: there is no such key\. Did you mean sft\.matrix_lr\?"):
        stage_recipe("sft", ["lr=3"])


def test_a_stages_own_key_comes_before_the_recipes() -> None:
    # "tokens" is a section of the recipe, "prompts" a key of two stages
    assert stage_recipe("rank", ["prompts=50"]).rank.prompts == 50
    assert stage_recipe("comparisons", ["prompts=50"]).comparisons.prompts == 50
    assert stage_recipe("pretrain", ["tokens.train_tokens=5_000"]).tokens.train_tokens == 5_000


@pytest.mark.parametrize(
    ("stage", "idle"),
    [
        ("rl", "reward.epochs=2.0"),
        ("sft", "depth=2"),
        ("sft", "tokenizer.vocab_size=300"),
        ("reward", "name=mine"),
        ("pretrain", "sft.epochs=3.0"),
        ("pretrain", 'tokens.proportions="corpus"'),
        ("pretrain", "corpus.drills=0.2"),
    ],
)
def test_a_setting_that_a_stage_by_itself_does_not_go_by_is_refused(stage: str, idle: str) -> None:
    with pytest.raises(UserError) as refused:
        stage_recipe(stage, ["seed=2", idle])
    others = "training, seed, threads, tokenizer, tokens.train_tokens, corpus." if stage == "pretrain" else "training,"
    message = f"the argument {idle}: no effect on {stage} by itself. Besides its own settings it takes {others}"
    assert str(refused.value).startswith(message)


def test_what_pretraining_goes_by_is_taken() -> None:
    settings = ["depth=2", "tokenizer.vocab_size=300", "tokens={train_tokens=5_000}", "corpus.dedup.near=false"]
    recipe = stage_recipe("pretrain", settings)
    assert (recipe.pretrain.depth, recipe.tokenizer.vocab_size, recipe.corpus.dedup.near) == (2, 300, False)


def test_keys_of_a_section_within_a_section_add_up(tmp_path: Path) -> None:
    adapter = stage_recipe("sft", ["adapter.rank=8", "adapter.base_precision=int8", "adapter.alpha=4.0"]).sft.adapter
    assert (adapter.rank, adapter.base_precision, adapter.alpha) == (8, "int8", 4.0)
    (tmp_path / "mine.toml").write_text('extends = "smoke"\n[rl.adapter]\nrank = 4\ntargets = ["q_proj", "o_proj"]\n')
    adapter = load_recipe(
        [str(tmp_path / "mine.toml"), "rl.adapter.alpha=2.0", 'rl.adapter.targets=["v_proj"]']
    ).rl.adapter
    assert (adapter.rank, adapter.alpha, adapter.targets) == (4, 2.0, ("v_proj",))


def test_an_adapter_on_a_sharded_base_is_refused_before_anything_is_trained() -> None:
    assert load_recipe(["smoke", "rl.adapter.rank=4"]).rl.adapter.rank == 4
    with pytest.raises(UserError, match=r"not sharded: leave out training\.sharding, or rl\.adapter"):
        load_recipe(["smoke", "rl.adapter.rank=4", "training.sharding=full"])


def test_differences() -> None:
    assert differences(load_recipe(), load_recipe(["seed=5", "depth=99"])) == [
        ("seed", 1, 5),
        ("pretrain.depth", load_recipe().pretrain.depth, 99),
    ]
    assert differences(load_recipe(), load_recipe()) == []


def test_the_schema_knows_every_key() -> None:
    schema = recipe_schema()
    assert set(schema["properties"]) == set(Recipe.model_fields) | {"extends", "depth"}
    assert "description" in schema["$defs"]["SftConfig"]["properties"]["epochs"]


def test_a_copied_run_goes_on_in_itself(tmp_path: Path) -> None:
    copy = tmp_path / "careless"
    copy.mkdir()
    (copy / "recipe.json").write_text(json.dumps(load_recipe(["pocket"]).to_json()))
    for argument in (copy, copy / "recipe.json"):
        arguments = [str(argument), "seed=2"]
        assert default_folder(arguments, load_recipe(arguments)) == copy


def test_presets_and_files_run_under_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pocket").mkdir()  # a preset's name is the preset's, whatever lies here
    (tmp_path / "mine.toml").write_text('extends = "pocket"\n')
    monkeypatch.chdir(tmp_path)
    for arguments, name in (([], "pocket"), (["pocket"], "pocket"), (["seed=3", "mine.toml"], "mine")):
        assert default_folder(arguments, load_recipe(arguments)) == Path("runs") / name
