"""What is exported opens elsewhere, and what was checked of it is said."""

import json
import sys
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from tokenizers import Regex, pre_tokenizers
from tokenizers import Tokenizer as BpeTokenizer
from transformers import AutoModelForCausalLM

from cygnet import UserError, load
from cygnet.files import read_json
from cygnet.model import peers
from cygnet.model.adapter_folder import save_adapter
from cygnet.model.export import export
from cygnet.model.folder import load_language_model, load_scalar_model, save_model
from cygnet.model.gguf_vocabulary import PROBES, vocabulary
from cygnet.model.lora import LoraShape, attach
from cygnet.model.reading import read
from cygnet.model.transformer import ScalarModel
from cygnet.tokens.chat import render_prompt
from cygnet.tokens.tokenizer import Tokenizer, train_tokenizer

CHAT = [{"role": "user", "content": "What is 47 + 35? <|end|>"}]
IN_GGUF = ["llama", "llama, tied, wide heads", "llama 3.1, as published", "llama, linear", "mistral", "mistral, window"]
IN_GGUF += ["qwen2", "qwen2, yarn", "qwen3", "qwen3, narrow heads, yarn", "smollm3"]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def sft(build, tokenizer: Tokenizer, tmp_path: Path) -> Path:
    save_model(tmp_path / "sft", build(), tokenizer)
    return tmp_path / "sft"


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_folder_is_opened_by_transformers_before_it_is_there(sft: Path, tmp_path: Path, dtype: Any) -> None:
    wrote, ours, theirs = export(sft, tmp_path / "out", "hf", dtype)
    assert wrote.startswith(f"wrote {tmp_path / 'out'}: Qwen3 in {dtype}, ")
    assert ("gives the same numbers at all of" in ours) == (dtype == "float32")
    assert theirs.startswith("checked by transformers ")
    assert theirs.endswith(f"it reads {len(PROBES)} texts and a conversation alike")
    assert read_json(tmp_path / "out/config.json")["dtype"] == dtype
    opened = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert opened.dtype == getattr(torch, dtype)


def test_a_reward_model_is_a_folder_and_no_gguf_file(build, tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = build(ScalarModel)
    model.mean = 2.0
    save_model(tmp_path / "reward", model, tokenizer)
    assert export(tmp_path / "reward", tmp_path / "out", "hf")[2].startswith("checked by transformers ")
    assert load_scalar_model(tmp_path / "out")[0].mean == 2.0
    with pytest.raises(UserError, match="which GGUF has no place for: use --to hf"):
        export(tmp_path / "reward", tmp_path / "out.gguf", "gguf")
    assert not (tmp_path / "out.gguf").exists()


def test_our_own_model_as_gguf_reads_numbers_as_it_learned_to(build, tmp_path: Path) -> None:
    """Ours keep the space before a digit, which no name of llama.cpp's for a way of cutting says."""
    tokenizer = train_tokenizer(["12 + 47 = 59 swans, 3 4 5 6 7 8 9 0 1 2 "] * 9, vocab_size=300)
    save_model(tmp_path / "sft", build(vocab_size=tokenizer.vocab_size), tokenizer)
    export(tmp_path / "sft", tmp_path / "swan.gguf", "gguf")
    found = load(str(tmp_path / "swan.gguf"))
    ids = found.tokenizer.encode("12 + 47 =")
    assert ids == tokenizer.encode("12 + 47 =")
    assert tokenizer.decode([ids[3]]) == " 4"
    assert render_prompt(CHAT, found.tokenizer) == render_prompt(CHAT, tokenizer)
    assert found.tokenizer.is_own
    settings = vocabulary(tokenizer, 300)
    digits = [
        token
        for token, kind in zip(settings["tokenizer.ggml.tokens"], settings["tokenizer.ggml.token_type"], strict=True)
        if kind == gguf.TokenType.USER_DEFINED
    ]
    assert " 4" in digits
    assert set(digits) <= {f" {digit}" for digit in range(10)}


@pytest.mark.parametrize("family", IN_GGUF)
def test_each_architecture_comes_back_from_gguf_as_it_was(save_foreign, tmp_path: Path, family: str) -> None:
    save_foreign(tmp_path / "model", family)
    lines = export(tmp_path / "model", tmp_path / "model.gguf", "gguf")
    assert "it gives the same numbers at all of" in lines[1]
    before, after = load_language_model(tmp_path / "model"), load(str(tmp_path / "model.gguf"))
    assert after.model.config == before[0].config
    assert all(torch.equal(tensor, after.model.state_dict()[name]) for name, tensor in before[0].state_dict().items())
    assert after.tokenizer.end_ids == before[1].end_ids
    assert after.tokenizer.start == before[1].start


@pytest.mark.parametrize(
    ("dtype", "kind", "bits"), [("float16", "F16", 16), ("bfloat16", "BF16", 16), ("q8_0", "Q8_0", 8.5)]
)
def test_gguf_is_packed(save_foreign, tmp_path: Path, dtype: Any, kind: str, bits: float) -> None:
    save_foreign(tmp_path / "model", "qwen3")
    lines = export(tmp_path / "model", tmp_path / "model.gguf", "gguf", dtype)
    assert f"{dtype} moves its numbers" in lines[1]
    for tensor in gguf.GGUFReader(tmp_path / "model.gguf").tensors:
        matrix = len(tensor.shape) > 1
        assert tensor.tensor_type.name == (kind if matrix else "F32")
        assert tensor.n_bytes == tensor.n_elements * (bits if matrix else 32) / 8
    before, after = load_language_model(tmp_path / "model")[0], load(str(tmp_path / "model.gguf")).model
    tokens = torch.arange(40)[None]
    with torch.no_grad():
        assert (before(tokens) - after(tokens)).std() < 0.1 * before(tokens).std()


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("llama 3.1", "Llama 3.1's scaling of positions with its published settings only"),
        ("smollm3, other layers", "which layers go without positions"),
    ],
)
def test_what_gguf_cannot_say_is_refused(save_foreign, tmp_path: Path, family: str, message: str) -> None:
    save_foreign(tmp_path / "model", family)
    with pytest.raises(UserError, match=message):
        export(tmp_path / "model", tmp_path / "model.gguf", "gguf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_a_way_of_cutting_that_llama_cpp_does_not_know_is_refused(
    save_foreign, foreign: BpeTokenizer, tmp_path: Path
) -> None:
    save_foreign(tmp_path / "model", "llama")
    bpe = BpeTokenizer.from_str(foreign.to_str())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex("swan"), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bpe.save(str(tmp_path / "model/tokenizer.json"))
    cuts_words = json.loads(bpe.to_str())["model"]["vocab"].get("Ġswan")
    assert cuts_words is not None  # so that it matters
    with pytest.raises(UserError, match="cuts text in a way that llama.cpp has no name for"):
        export(tmp_path / "model", tmp_path / "model.gguf", "gguf")


def test_an_adapter_is_merged(sft: Path, tmp_path: Path) -> None:
    model, _ = load_language_model(sft)
    adapter = attach(model, LoraShape(2, 4.0, ("q_proj", "v_proj")))
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.normal_()
    save_adapter(tmp_path / "adapter", adapter, sft)
    export(tmp_path / "adapter", tmp_path / "merged", "hf")
    wanted, found = read(*load_language_model(tmp_path / "adapter")), read(*load_language_model(tmp_path / "merged"))
    assert torch.equal(wanted.scores, found.scores)
    assert not torch.equal(found.scores, read(*load_language_model(sft)).scores)


def test_what_could_not_be_checked_is_said(sft: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    assert export(sft, tmp_path / "out", "hf")[2].startswith("not checked by transformers, which is not installed")
    assert export(sft, tmp_path / "out.gguf", "gguf")[2].startswith("not checked by llama.cpp, which is not installed")


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("scores", "its numbers differ by up to"),
        ("texts", "reads text as other tokens: .* give it the tokenizer"),
        ("chat", "conversations"),
    ],
)
def test_nothing_is_left_of_what_others_open_otherwise(
    sft: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, message: str
) -> None:
    honest = peers.read_by_transformers
    wrong = {"scores": lambda found: found + 1, "texts": lambda found: found[1:], "chat": lambda found: [*found, 0]}

    def other(folder: Path, asked: Any) -> Any:
        found = honest(folder, asked)
        object.__setattr__(found, field, wrong[field](getattr(found, field)))
        return found

    monkeypatch.setattr(peers, "read_by_transformers", other)
    with pytest.raises(UserError, match=f"opened by transformers .*{message}"):
        export(sft, tmp_path / "out", "hf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sft"]


def test_nothing_is_overwritten(sft: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UserError, match="out exists already"):
        export(sft, tmp_path / "out", "hf")
    assert (tmp_path / "out").read_text() == "mine"
    with pytest.raises(UserError, match="q8_0 is a packing of GGUF: use --to gguf, or one of float32"):
        export(sft, tmp_path / "other", "hf", "q8_0")


@pytest.mark.parametrize("family", IN_GGUF)
def test_llama_cpp_computes_the_same(save_foreign, tmp_path: Path, family: str) -> None:
    pytest.importorskip("llama_cpp", reason="llama.cpp is compiled at installation: pip install llama-cpp-python")
    save_foreign(tmp_path / "model", family)
    for dtype in ("float32", "q8_0"):
        lines = export(tmp_path / "model", tmp_path / f"{dtype}.gguf", "gguf", dtype)
        assert lines[2].startswith("checked by llama.cpp")


def test_what_another_program_can_not_open_is_not_written(
    sft: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise KeyError("rope_parameters")

    monkeypatch.setattr(peers, "read_by_transformers", failing)
    with pytest.raises(UserError, match=r"transformers .* can't open it \(KeyError: 'rope_parameters'\)"):
        export(sft, tmp_path / "out", "hf")
    assert not (tmp_path / "out").exists()
