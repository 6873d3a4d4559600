"""GGUF files, written by the library of the format's makers."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from gguf_files import gguf_file
from tokenizers import Tokenizer as BpeTokenizer

from cygnet import UserError, load
from cygnet.model.folder import load_language_model
from cygnet.model.gguf import unpack
from cygnet.tokens.chat import render_prompt

TOKENS = torch.randint(3, 300, (2, 60), generator=torch.Generator().manual_seed(0))
CHAT = [{"role": "user", "content": "What is it? <|im_end|>"}]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def shuffled(rows: np.ndarray, heads: int) -> np.ndarray:
    """The rows of a Llama's heads as llama.cpp has them: halves interleaved."""
    return rows.reshape(heads, 2, -1, rows.shape[-1]).swapaxes(1, 2).reshape(rows.shape)


def write(path: Path, folder: Path, kind: str, bpe: BpeTokenizer, template: str, **settings: Any) -> None:
    """A folder as a GGUF file, in float32."""
    model, _ = load_language_model(folder)
    config = model.config
    family = kind.partition(" ")[0]
    with gguf_file(path, settings.pop("architecture", family), config) as writer:
        writer.add_key_length(config.head_width)
        writer.add_rope_freq_base(config.rope_theta)
        writer.add_tokenizer_model(settings.pop("model", "gpt2"))
        if pre := settings.pop("pre", "gpt-2"):
            writer.add_tokenizer_pre(pre)
        vocabulary = sorted(bpe.get_vocab(), key=bpe.token_to_id)
        padding = [f"[PAD{number}]" for number in range(config.vocab_size - len(vocabulary))]
        writer.add_token_list([*vocabulary, *padding])
        kinds = [3 if token.startswith("<|") else 1 for token in vocabulary]
        writer.add_token_types([*kinds, *[5] * len(padding)])
        writer.add_token_merges(merges_of(bpe))
        writer.add_eos_token_id(2)
        if (bos := settings.pop("bos", None)) is not None:
            writer.add_bos_token_id(bos)
        if (add_bos := settings.pop("add_bos", None)) is not None:
            writer.add_add_bos_token(add_bos)
        writer.add_pad_token_id(0)
        writer.add_chat_template(template)
        for name, value in settings.items():
            writer.add_uint32(f"{family}.{name}", value)
        if config.rope_scaling is not None:
            frequencies = config.rope_theta ** (-np.arange(0, config.head_width, 2) / config.head_width)
            slowed = np.array(config.rope_scaling.stretch(frequencies, config.rope_theta))
            writer.add_tensor("rope_freqs.weight", (frequencies / slowed).astype(np.float32))
        table = gguf.get_tensor_name_map(gguf.MODEL_ARCH[family.upper()], config.layers)
        for name, tensor in model.state_dict().items():
            values = tensor.numpy()
            if family == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
                values = shuffled(values, config.heads if "q_proj" in name else config.kv_heads)
            suffix = name.rpartition(".")[2]
            writer.add_tensor(f"{table.get_name(name.removesuffix(f'.{suffix}'))}.{suffix}", values)


def merges_of(bpe: BpeTokenizer) -> list[str]:
    import json

    return [" ".join(pair) for pair in json.loads(bpe.to_str())["model"]["merges"]]


@pytest.fixture
def written(save_foreign, foreign: BpeTokenizer, tmp_path: Path):
    def written(family: str = "llama", **settings: Any) -> Path:
        save_foreign(tmp_path / "folder", family)
        template = (tmp_path / "folder/chat_template.jinja").read_text()
        write(tmp_path / "swan.gguf", tmp_path / "folder", family, foreign, template, **settings)
        return tmp_path / "swan.gguf"

    return written


def test_the_scaling_of_positions_is_recognised(written, tmp_path: Path) -> None:
    path = written("llama 3.1, as published")
    wanted, _ = load_language_model(tmp_path / "folder")
    assert wanted.config.rope_scaling is not None
    found = load(path)
    assert found.model.config.rope_scaling == wanted.config.rope_scaling
    with torch.no_grad():
        assert (wanted(TOKENS) - found.model(TOKENS)).abs().max() < 1e-5
    with pytest.raises(UserError, match="its rotary positions are scaled otherwise than Llama 3.1's"):
        load(written("llama 3.1"))  # another original context


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_it_is_the_model_that_was_packed(written, tmp_path: Path, family: str) -> None:
    path = written(family)
    wanted, theirs = load_language_model(tmp_path / "folder")
    found = load(str(path))
    assert found.name == "swan"
    with torch.no_grad():
        assert (wanted(TOKENS) - found.model(TOKENS)).abs().max() < 1e-5
    text = "What is it?  It's a swan 🦢 123\n"
    assert found.tokenizer.encode(text) == theirs.encode(text)
    assert render_prompt(CHAT, found.tokenizer) == render_prompt(CHAT, theirs)
    assert found.tokenizer.end_id == theirs.end_id


@pytest.mark.parametrize(
    ("settings", "start"),
    [
        ({"pre": "llama-bpe"}, [1]),  # Llama 3's files, of which many say nothing
        ({"pre": "llama-bpe", "add_bos": False}, []),
        ({}, []),
        ({"add_bos": True}, [1]),
    ],
)
def test_a_text_begins_as_llama_cpp_begins_it(written, settings: dict[str, Any], start: list[int]) -> None:
    tokenizer = load(str(written(bos=1, **settings))).tokenizer
    assert (tokenizer.start, tokenizer.bos_id) == (start, 1)


def test_of_several_that_ask_at_once_one_unpacks(written, capsys: pytest.CaptureFixture[str]) -> None:
    path = written("llama")
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(unpack, [path] * 4))) == 1
    assert capsys.readouterr().err.count("unpacking") == 1


def test_it_is_unpacked_once(written, capsys: pytest.CaptureFixture[str]) -> None:
    path = written()
    folder = unpack(path)
    assert f"unpacking swan.gguf once, into {folder}" in capsys.readouterr().err
    before = (folder / "model.safetensors").stat().st_mtime_ns
    path = path.rename(path.with_name("other.gguf"))
    assert unpack(path) == folder  # it is known by its contents
    assert capsys.readouterr().err == ""
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "mamba"}, "holds a model of the type 'mamba'"),
        ({"model": "bert"}, "its tokenizer is of the kind 'bert'; BPE"),
        ({"pre": "dolphin"}, "its tokenizer cuts text like 'dolphin'"),
        ({"pre": None}, r"does not say how it cuts text \(tokenizer.ggml.pre\); known here: gpt-2, smollm"),
        ({"expert_count": 8}, "it sets expert_count"),
        ({"rope.dimension_count": 8}, "it sets rope.dimension_count = 8, but its heads are 16 wide"),
    ],
)
def test_what_cannot_be_represented_is_refused_by_name(written, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(str(written(**settings)))


def test_what_was_unpacked_otherwise_is_not_opened(written, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written()
    monkeypatch.setattr("cygnet.model.gguf._FORMAT", 1)
    old = unpack(path)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(old.parents[3]))
    new = unpack(path)
    assert new != old
    assert new.name == old.name


@pytest.mark.parametrize("kept", [0, 3, 100, 0.5, 0.999])
def test_a_file_that_is_cut_off_is_named(written, tmp_path: Path, kept: float) -> None:
    path = written()
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if 0 < kept < 1 else int(kept)])
    with pytest.raises(UserError, match="swan.gguf is not a whole GGUF file"):
        load(path)
    assert [file.name for file in (tmp_path / "cache").rglob("*") if file.is_file()] == [".lock"]
