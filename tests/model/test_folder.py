"""Model folders are Hugging Face's: what transformers makes of them is what we make of them."""

import json
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from cygnet.errors import UserError
from cygnet.files import read_jsonl
from cygnet.model.config import ModelConfig
from cygnet.model.folder import load_language_model, load_scalar_model, save_model, scalar_from
from cygnet.model.transformer import ScalarModel, Transformer
from cygnet.tokens.chat import render, render_prompt, tool_call
from cygnet.tokens.tokenizer import Tokenizer

SHAPES = [{}, {"heads": 4, "kv_heads": 2, "head_width": 16, "rope_theta": 500.0, "norm_eps": 1e-5}]
MESSAGES = [
    {"role": "system", "content": "Be brief.\n"},
    {"role": "user", "content": "  What is 17 * 23 swans? 🦢"},
    tool_call("17 * 23"),
    {"role": "tool", "content": "391"},
    {"role": "assistant", "content": "It is\n\n391."},
]


@pytest.fixture(scope="module")
def folder(build, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "sft"
    save_model(folder, build(), tokenizer)
    return folder


@pytest.mark.parametrize("shape", SHAPES)
def test_transformers_computes_the_same_logits(build, tokenizer: Tokenizer, tmp_path: Path, shape: dict) -> None:
    model = build(**shape)
    save_model(tmp_path / "model", model, tokenizer)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32)
    tokens = torch.randint(0, tokenizer.vocab_size, (4, 64), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert (theirs(tokens).logits - model(tokens)).abs().max() < 1e-4
    assert model(tokens).std() > 0.1  # logits that could tell a difference


@pytest.mark.parametrize("shape", SHAPES)
def test_transformers_gives_the_same_reward(build, tokenizer: Tokenizer, tmp_path: Path, shape: dict) -> None:
    model = build(ScalarModel, **shape)
    model.mean, model.scale = 1.5, 2.5
    save_model(tmp_path / "reward", model, tokenizer)
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path / "reward", dtype=torch.float32)
    ids = render(MESSAGES, tokenizer).ids[:50]
    padded = torch.tensor([[*ids, *[tokenizer.pad_id] * 14], [*ids[:20], *[tokenizer.pad_id] * 44]])
    with torch.no_grad():
        scores = theirs(padded, attention_mask=(padded != tokenizer.pad_id).int()).logits
        assert scores.shape == (2, 1)
        ours = torch.stack([model(torch.tensor([ids]))[0, -1], model(torch.tensor([ids[:20]]))[0, -1]])
    assert (scores[:, 0] - ours).abs().max() < 1e-4
    assert theirs.config.reward_mean == 1.5
    assert theirs.config.reward_scale == 2.5


@pytest.mark.parametrize("stage", ["base", "sft", "rl", "reward"])
def test_what_a_run_leaves_opens_in_transformers(tiny_run: Path, stage: str) -> None:
    """The same logits of a model, or score of a reward model, on a held-out conversation as transformers renders it."""
    folder = tiny_run / stage
    messages = read_jsonl(tiny_run / "conversations/validation.jsonl")[0]["messages"]
    ids = AutoTokenizer.from_pretrained(folder).apply_chat_template(messages, return_dict=False)
    assert ids == render(messages, Tokenizer.load(folder)).ids
    tokens = torch.tensor([ids])
    with torch.no_grad():
        if stage == "reward":
            theirs = AutoModelForSequenceClassification.from_pretrained(folder)(tokens).logits[:, 0]
            ours = load_scalar_model(folder)[0](tokens)[:, -1]
        else:
            theirs = AutoModelForCausalLM.from_pretrained(folder)(tokens).logits
            ours = load_language_model(folder)[0](tokens)
    assert (theirs - ours).abs().max() < 1e-4


def test_transformers_reads_and_writes_text_the_same(folder: Path, tokenizer: Tokenizer) -> None:
    theirs = AutoTokenizer.from_pretrained(folder)
    for text in ("What is it? 🦢", " leading", "trailing ", "12345 ", "a  b\t\nc", "don't , stop .", ""):
        ids = tokenizer.encode(text)
        assert theirs.encode(text, add_special_tokens=False) == ids
        assert theirs.decode(ids) == text
    assert (theirs.bos_token_id, theirs.eos_token_id, theirs.pad_token_id) == (
        tokenizer.bos_id,
        tokenizer.end_id,
        tokenizer.pad_id,
    )


def test_transformers_renders_the_same_chat(folder: Path, tokenizer: Tokenizer) -> None:
    theirs = AutoTokenizer.from_pretrained(folder)
    ids = render(MESSAGES, tokenizer).ids
    assert theirs.apply_chat_template(MESSAGES, tokenize=False) == tokenizer.decode(ids)
    assert theirs.apply_chat_template(MESSAGES, return_dict=False) == ids
    prompt = theirs.apply_chat_template(MESSAGES[:2], add_generation_prompt=True, return_dict=False)
    assert prompt == render_prompt(MESSAGES[:2], tokenizer)


def test_a_saved_model_comes_back(build, tokenizer: Tokenizer, tmp_path: Path) -> None:
    for kind, load in ((Transformer, load_language_model), (ScalarModel, load_scalar_model)):
        model = build(kind)
        save_model(tmp_path / kind.__name__, model, tokenizer)
        loaded, its_tokenizer = load(tmp_path / kind.__name__)
        assert loaded.config == model.config
        assert its_tokenizer.hash == tokenizer.hash
        for name, tensor in model.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], tensor), name


@pytest.mark.parametrize("rope_theta", [10_000.0, 500.0])
def test_what_transformers_saved_opens_here(tokenizer: Tokenizer, tmp_path: Path, rope_theta: float) -> None:
    shape = ModelConfig(300, 64, 2, 64, heads=4, kv_heads=2, head_width=16, ffn_width=96, rope_theta=rope_theta)
    torch.manual_seed(0)
    theirs = Qwen3ForCausalLM(Qwen3Config(**shape.to_huggingface(), initializer_range=0.3)).eval()
    theirs.save_pretrained(tmp_path)
    tokenizer.save(tmp_path)
    ours, _ = load_language_model(tmp_path)
    assert ours.config == shape
    tokens = torch.randint(0, tokenizer.vocab_size, (2, 64), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert (theirs(tokens).logits - ours(tokens)).abs().max() < 1e-4
    assert ours(tokens).std() > 0.1  # logits that could tell a difference


def test_the_normalization_of_rewards_comes_back(build, tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = build(ScalarModel)
    model.mean, model.scale = -0.25, 3.0
    save_model(tmp_path / "reward", model, tokenizer)
    loaded, _ = load_scalar_model(tmp_path / "reward")
    assert (loaded.mean, loaded.scale) == (-0.25, 3.0)


def test_a_scalar_model_starts_from_anothers_trunk(build) -> None:
    language, reward = build(), build(ScalarModel, seed=1)
    reward.mean, reward.scale = 1.0, 2.0
    tokens = torch.tensor([[1, 2, 3]])
    torch.testing.assert_close(scalar_from(language).features(tokens), language.features(tokens))
    critic = scalar_from(reward)
    torch.testing.assert_close(critic(tokens), reward(tokens))
    assert (critic.mean, critic.scale) == (1.0, 2.0)
    with torch.no_grad():
        critic.score.weight.zero_()
    assert reward.score.weight.abs().sum() > 0  # a copy


def test_one_kind_is_not_taken_for_the_other(build, tokenizer: Tokenizer, folder: Path, tmp_path: Path) -> None:
    save_model(tmp_path / "reward", build(ScalarModel), tokenizer)
    with pytest.raises(UserError, match="holds Qwen3ForSequenceClassification, not a language model"):
        load_language_model(tmp_path / "reward")
    with pytest.raises(UserError, match="holds Qwen3ForCausalLM, not a reward model"):
        load_scalar_model(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(build, tokenizer: Tokenizer, tmp_path: Path, name: str) -> None:
    save_model(tmp_path / "model", build(), tokenizer)
    (tmp_path / "model" / name).unlink()
    with pytest.raises(UserError, match=f"{name} does not exist"):
        load_language_model(tmp_path / "model")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.999])
def test_a_damaged_file_is_named(build, tokenizer: Tokenizer, tmp_path: Path, name: str, kept: float) -> None:
    save_model(tmp_path / "model", build(), tokenizer)
    path = tmp_path / "model" / name
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if kept < 1 else int(kept)])
    if name == "config.json" and kept == 0.999:
        path.write_text("[]")
    with pytest.raises(UserError, match=name):
        load_language_model(tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": 96}, "holds tensors that don't fit its config.json"),
        ({"num_hidden_layers": 3}, "holds tensors that don't fit its config.json"),
        ({"vocab_size": 301}, "its tokenizer has 300 tokens but the model 301"),
        ({"architectures": []}, "does not describe a model"),
        ({"model_type": "mamba"}, "can't be opened: models of the types llama"),
    ],
)
def test_a_config_of_another_model_is_refused(
    build, tokenizer: Tokenizer, tmp_path: Path, change: dict, message: str
) -> None:
    save_model(tmp_path / "model", build(), tokenizer)
    path = tmp_path / "model/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=message):
        load_language_model(tmp_path / "model")


def test_what_is_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing is not a folder: expected a model"):
        load_language_model(tmp_path / "nothing")
    (tmp_path / "model.gguf").touch()
    with pytest.raises(UserError, match=r"model\.gguf is a GGUF file\. Make a folder of it: cygnet export .* --to hf"):
        load_scalar_model(tmp_path / "model.gguf")
