"""The stages as verbs, from texts to a reward model, on a model of a few thousand parameters."""

import shutil
from pathlib import Path

import pytest

from cygnet.cli.main import run_command
from cygnet.files import read_json, read_jsonl, sha256_of, write_jsonl

SMALL = ["threads=1"]


def run(*arguments: object) -> None:
    assert run_command([str(argument) for argument in arguments]) == 0


@pytest.fixture(scope="module")
def models(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """base/, sft/, reward/ and rl/ as the four verbs make them."""
    folder = tmp_path_factory.mktemp("models")
    size = ["depth=1", "context_length=64", "tokenizer.vocab_size=300", "tokens.train_tokens=20_000", "heldout_rows=2"]
    run("pretrain", texts, "-o", folder / "base", *size, *SMALL, "evaluations=1")
    chats = [
        {"messages": [{"role": "user", "content": f"say {n}"}, {"role": "assistant", "content": f"{n}."}]}
        for n in range(100)
    ]
    write_jsonl(folder / "chats.jsonl", chats)
    run("sft", folder / "base", folder / "chats.jsonl", "-o", folder / "sft", "rows_per_step=2", *SMALL)
    comparisons = [
        {"prompt": [{"role": "user", "content": f"say {n}"}], "responses": [f"{n}.", f"{n} {n}"], "ranks": [1, 2]}
        for n in range(100)
    ]
    write_jsonl(folder / "comparisons.jsonl", comparisons)
    run("reward", folder / "sft", folder / "comparisons.jsonl", "-o", folder / "reward", *SMALL)
    write_jsonl(folder / "prompts.jsonl", [{"prompt": row["prompt"]} for row in comparisons])
    rounds = ["iterations=2", "rollouts=4", "minibatches=2", "critic_warmup=1", "max_new_tokens=8", "evaluations=1"]
    run(
        "rl",
        folder / "sft",
        folder / "prompts.jsonl",
        "--reward",
        folder / "reward",
        "-o",
        folder / "rl",
        *rounds,
        *SMALL,
    )
    return folder


@pytest.mark.parametrize("stage", ["base", "sft", "reward", "rl"])
def test_each_stage_leaves_a_model_folder_and_its_lineage(models: Path, stage: str) -> None:
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in (models / stage).iterdir()}
    record = read_json(models / f"{stage}.work/lineage.json")["stages"][{"base": "pretrain"}.get(stage, stage)]
    assert list(record["outputs"]) == [str(models / stage)]


def test_held_out_rows_are_evaluated_on(models: Path) -> None:
    metrics = read_json(models / "reward.work/lineage.json")["stages"]["reward"]["metrics"]
    assert 0 <= metrics["heldout_pair_accuracy"] <= 1


def test_the_same_command_again_does_nothing(models: Path, cygnet) -> None:
    before = (models / "sft/model.safetensors").stat().st_mtime_ns
    outcome = cygnet("sft", models / "base", models / "chats.jsonl", "-o", models / "sft", "rows_per_step=2", *SMALL)
    assert outcome.code == 0
    assert f"wrote {models / 'sft'}" in outcome.out
    assert (models / "sft/model.safetensors").stat().st_mtime_ns == before


def test_a_tokenizer_is_given_or_described(models: Path, texts: Path, tmp_path: Path, cygnet) -> None:
    given = ["--tokenizer", models / "base", "-o", tmp_path / "base", "tokenizer.vocab_size=300"]
    code, _, err = cygnet("pretrain", texts, *given)
    assert (code, list(tmp_path.iterdir())) == (2, [])
    assert "leave out tokenizer.vocab_size" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["sft", "model.gguf", "chats.jsonl"],
        ["reward", "model.gguf", "comparisons.jsonl"],
        ["rl", "model.gguf", "prompts.jsonl", "--reward", "reward"],
        ["rl", "{models}/sft", "prompts.jsonl", "--reward", "model.gguf"],
        ["rank", "prompts.jsonl", "a=sft", "b=rl", "--reward", "model.gguf"],
        ["pretrain", "texts", "--tokenizer", "model.gguf"],
    ],
    ids=" ".join,
)
def test_what_takes_a_folder_says_how_to_make_one_of_a_gguf_file(
    arguments: list[str], models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cygnet
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.gguf").touch()
    code, out, err = cygnet(*(argument.format(models=models) for argument in arguments), "-o", "out")
    assert (code, out, [path.name for path in tmp_path.iterdir()]) == (2, "", ["model.gguf"])
    assert "Make a folder of it: cygnet export model.gguf --to hf --out FOLDER" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pretrain", "{texts}", "--tokenizer", "nowhere"], "nowhere/tokenizer.json does not exist"),
        (["pretrain", "{texts}", "--tokenizer", "{texts}"], "my texts/tokenizer.json does not exist"),
        (["sft", "nowhere", "{models}/chats.jsonl"], "nowhere is not a folder: expected a model"),
        (["sft", "{models}/reward", "{models}/chats.jsonl"], "not a language model"),
        (["adapt", "{models}/reward", "{models}/chats.jsonl"], "not a language model"),
        (["reward", "{models}/reward", "{models}/comparisons.jsonl"], "not a language model"),
        (["rl", "{models}/reward", "{models}/prompts.jsonl", "--reward", "{models}/reward"], "not a language model"),
        (["rl", "{models}/sft", "{models}/prompts.jsonl", "--reward", "{models}/sft"], "not a reward model"),
        (
            ["rank", "{models}/prompts.jsonl", "a={models}/sft", "b={models}/reward", "--reward", "{models}/reward"],
            "not a language model",
        ),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_what_is_no_model_or_tokenizer_is_told_before_anything_is_done(
    arguments: list[str], message: str, models: Path, texts: Path, tmp_path: Path, monkeypatch, cygnet
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = cygnet(*(argument.format(models=models, texts=texts) for argument in arguments), "-o", "out")
    assert (code, out, list(tmp_path.iterdir())) == (2, "", [])
    assert message in err


def test_a_model_made_elsewhere_is_not_replaced(models: Path, tmp_path: Path, cygnet) -> None:
    shutil.copytree(models / "sft", tmp_path / "downloaded")
    before = sha256_of(tmp_path / "downloaded")
    code, _, err = cygnet("sft", models / "base", models / "chats.jsonl", "-o", tmp_path / "downloaded", *SMALL)
    assert code == 2
    assert "downloaded holds files that cygnet did not make there" in err
    assert sha256_of(tmp_path / "downloaded") == before
    assert [path.name for path in tmp_path.iterdir()] == ["downloaded"]


def test_only_what_was_made_here_and_is_unchanged_is_replaced(models: Path, tmp_path: Path, cygnet) -> None:
    def make(*settings: str) -> int:
        made = cygnet(
            "sft", models / "base", models / "chats.jsonl", "-o", tmp_path / "sft", "rows_per_step=2", *settings
        )
        return made.code

    assert make(*SMALL) == 0
    assert make(*SMALL, "seed=2") == 0  # its own output, made anew with other settings
    (tmp_path / "sft/config.json").touch()
    (tmp_path / "sft/notes.txt").write_text("something of the user's")
    assert make(*SMALL, "seed=3") == 2
    assert (tmp_path / "sft/notes.txt").exists()
    (tmp_path / "sft/notes.txt").unlink()
    assert make(*SMALL, "seed=3") == 0
    (tmp_path / "sft/model.safetensors").write_bytes(b"another model")
    assert make(*SMALL, "seed=4") == 2
    assert (tmp_path / "sft/model.safetensors").read_bytes() == b"another model"


@pytest.mark.parametrize("asked", range(3))  # rows that fall to either side
def test_a_row_that_cannot_be_learned_is_named_in_the_users_file(
    models: Path, tmp_path: Path, cygnet, asked: int
) -> None:
    rows = read_jsonl(models / "chats.jsonl")
    held_out = read_jsonl(models / "sft.work/conversations/validation.jsonl")
    number = (rows.index(held_out[0]), 0, 57)[asked]
    rows[number]["messages"][1]["content"] = "word " * 100
    write_jsonl(tmp_path / "long.jsonl", rows)
    code, _, err = cygnet("sft", models / "base", tmp_path / "long.jsonl", "-o", tmp_path / "a", *SMALL)
    assert code == 2
    assert f"{tmp_path / 'long.jsonl'}, row {number + 1}: " in err
    assert "a.work" not in err


def test_a_working_folder_of_the_users_is_left_alone(models: Path, tmp_path: Path, cygnet) -> None:
    (tmp_path / "a.work").mkdir()
    (tmp_path / "a.work/notes.txt").write_text("")
    code, _, err = cygnet("sft", models / "base", models / "chats.jsonl", "-o", tmp_path / "a", *SMALL)
    assert code == 2
    assert "a.work, which holds other files" in err


@pytest.mark.parametrize("verb", ["pretrain", "sft", "adapt", "reward", "rl"])
def test_an_interrupted_stage_that_has_changed_is_refused_unless_it_may_begin_again(
    models: Path, texts: Path, tmp_path: Path, cygnet, verb: str
) -> None:
    pretrain = ["depth=1", "context_length=64", "tokenizer.vocab_size=300", "tokens.train_tokens=20_000"]
    given: dict[str, list[object]] = {
        "pretrain": [texts, *pretrain, "evaluations=1"],
        "sft": [models / "base", models / "chats.jsonl", "rows_per_step=2"],
        "adapt": [models / "base", models / "chats.jsonl", "least_updates=1", "epochs=0.1"],
        "reward": [models / "sft", models / "comparisons.jsonl"],
        "rl": [models / "sft", models / "prompts.jsonl", "--reward", models / "reward", "iterations=1", "rollouts=4"],
    }
    command = [verb, *given[verb], *SMALL, "-o", tmp_path / "a"]
    (tmp_path / f"a.work/checkpoints/{verb}/step_00000007").mkdir(parents=True)
    (tmp_path / "a.work/.lock").touch()
    code, out, err = cygnet(*command)
    assert (code, out) == (2, "")
    assert err.startswith(f"cygnet: {verb} was interrupted after 7 updates, and since then this has changed: ")
    assert "add --restart" in err
    assert not (tmp_path / "a").exists()
    assert (tmp_path / f"a.work/checkpoints/{verb}/step_00000007").exists()
    code, out, _ = cygnet(*command, "--restart")
    assert code == 0
    assert f"{verb} begins again: the checkpoints of its first 7 updates and its metrics are removed." in out
    assert not (tmp_path / f"a.work/checkpoints/{verb}/step_00000007").exists()


def test_models_are_ranked_by_a_reward_model(models: Path, tmp_path: Path, cygnet) -> None:
    players = [f"one={models / 'sft'}", f"two={models / 'rl'}"]
    settings = ["rank.prompts=12", "rank.bootstrap=100", *SMALL]
    arguments = [models / "prompts.jsonl", *players, "--reward", models / "reward", "-o", tmp_path / "arena", *settings]
    outcome = cygnet("rank", *arguments)
    assert outcome.code == 0, outcome.err
    ladder = read_json(tmp_path / "arena/ladder.json")
    assert (ladder["prompts"], ladder["judges"]) == (12, ["reward model"])
    for row in ladder["ladder"]:
        assert f"{row['player']}: [" in outcome.out
    shutil.rmtree(tmp_path / "arena.work")  # now nothing says who made the ladder
    outcome = cygnet("rank", *arguments)
    assert outcome.code == 2
    assert "arena holds files that cygnet did not make there" in outcome.err
    assert read_json(tmp_path / "arena/ladder.json") == ladder


def test_a_model_answers(models: Path, cygnet) -> None:
    first = cygnet("chat", models / "sft", "--prompt", "say 7", "max_new_tokens=12", "temperature=0")
    assert first.code == 0
    assert cygnet("chat", models / "sft", "--prompt", "say 7", "max_new_tokens=12", "temperature=0").out == first.out


def test_a_conversation_that_outgrows_the_context_starts_over(
    models: Path, cygnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = iter(["say 1", "word " * 40, "say 2"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(lines, ""))
    outcome = cygnet("chat", models / "sft", "max_new_tokens=4")
    assert outcome.code == 0
    assert "It starts over." in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pretrain", "{models}/nothing", "-o", "{tmp}/a"], "nothing does not exist"),
        (["pretrain", "{texts}", "-o", "{tmp}/a", "epochs=2"], "pretrain.epochs: there is no such key"),
        (["pretrain", "{texts}", "-o", "{texts}"], "would replace the input"),
        (["sft", "{models}/base", "{models}/chats.jsonl", "-o", "{models}/base"], "would replace the input"),
        (["sft", "{models}/base", "{models}/chats.jsonl", "-o", "{models}"], "would replace the input"),
        (["sft", "{models}/base", "{models}/chats.jsonl", "-o", "{models}/base/x"], "lies in the input"),
        (["sft", "{models}/base", "{models}/chats.jsonl", "-o", "{tmp}"], "holds files that cygnet did not make"),
        (
            ["sft", "{models}/base", "{models}/comparisons.jsonl", "-o", "{tmp}/a"],
            "comparisons.jsonl, row 1: messages missing",
        ),
        (["sft", "{models}/reward", "{models}/chats.jsonl", "-o", "{tmp}/a"], "not a language model"),
        (["reward", "{models}/sft", "{models}/chats.jsonl", "-o", "{tmp}/a"], "chats.jsonl, row 1: prompt, resp"),
        (
            ["rl", "{models}/sft", "{models}/prompts.jsonl", "--reward", "{models}/sft", "-o", "{tmp}/a"],
            "not a reward model",
        ),
        (
            ["rl", "{models}/sft", "{models}/chats.jsonl", "--reward", "{models}/reward", "-o", "{tmp}/a"],
            "row 1: prompt missing",
        ),
        (
            ["rank", "{models}/prompts.jsonl", "a={models}/sft", "b={models}/rl", "-o", "{tmp}/a"],
            "row 1: exercise missing",
        ),
        (["rank", "{models}/prompts.jsonl", "a={models}/sft", "{models}/rl", "-o", "{tmp}/a"], "is no player"),
        (
            ["rank", "{models}/prompts.jsonl", "a={models}/sft", "a={models}/rl", "-o", "{tmp}/a"],
            "player a is there twice",
        ),
        (
            ["rank", "{models}", "a={models}/sft", "b={models}/rl", "-o", "{tmp}/a"],
            "is a folder, not a JSON Lines file",
        ),
        (["sft", "{models}/base", "{models}/chats.jsonl", "-o", "{tmp}/mine.txt/x"], "a file is in the way"),
        (["chat", "{models}/sft", "--prompt", "{long}"], "but this model reads 64"),
        (["chat", "{models}/reward"], "not a language model"),
    ],
)
def test_mistakes(models: Path, texts: Path, tmp_path: Path, cygnet, arguments: list[str], message: str) -> None:
    (tmp_path / "mine.txt").write_text("something of the user's")
    places = {"models": models, "texts": texts, "tmp": tmp_path, "long": "word " * 100}
    code, _, err = cygnet(*(argument.format(**places) for argument in arguments))
    assert code == 2
    assert message in err
    assert not (tmp_path / "a").exists()
    assert (tmp_path / "mine.txt").exists()
