"""Adapters change nothing at first, train alone, and are peft's on disk."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from cygnet import Sampling, UserError, load
from cygnet.files import read_json, write_json, write_jsonl
from cygnet.model.adapter_folder import base_of, load_adapter, save_adapter
from cygnet.model.folder import load_language_model, save_model
from cygnet.model.lora import Adapter, LoraShape, attach, merge
from cygnet.model.transformer import Transformer
from cygnet.stages.adapt import adapt
from cygnet.stages.config import AdaptConfig
from cygnet.tokens.tokenizer import Tokenizer
from cygnet.training.work import Work

SHAPE = LoraShape(rank=3, alpha=6.0, targets=("q_proj", "o_proj", "gate_proj"))
TOKENS = torch.randint(3, 280, (2, 40), generator=torch.Generator().manual_seed(0))


def disturbed(model: Transformer, shape: LoraShape = SHAPE) -> Adapter:
    """An attached adapter that changes something."""
    adapter = attach(model, shape)
    torch.manual_seed(1)
    for parameter in adapter.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return adapter


@pytest.fixture
def saved(build, tokenizer: Tokenizer, tmp_path: Path) -> torch.Tensor:
    """base/ and adapter/ in `tmp_path`, and the logits of both together."""
    model = build()
    save_model(tmp_path / "base", model, tokenizer)
    save_adapter(tmp_path / "adapter", disturbed(model), tmp_path / "base")
    with torch.no_grad():
        return model(TOKENS)


def test_nothing_changes_at_first(build) -> None:
    model = build()
    before = model(TOKENS)
    adapter = attach(model, SHAPE)
    torch.testing.assert_close(model(TOKENS), before)  # projections are put together in another way
    with torch.no_grad():
        torch.testing.assert_close(model(TOKENS), before)
    assert adapter.size == 2 * 3 * (64 + 64 + 64 + 64 + 64 + 192)


def test_only_the_adapter_learns(build) -> None:
    model = build()
    adapter = disturbed(model)
    model(TOKENS).square().mean().backward()
    learning = {id(parameter) for parameter in adapter.parameters()}
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad == (id(parameter) in learning), name
    assert all(parameter.grad.abs().sum() > 0 for parameter in adapter.parameters())


def test_the_change_is_b_times_a_scaled(build) -> None:
    model, plain = build(), build()
    adapter = disturbed(model)
    change = dict(zip(adapter.names, adapter.changes, strict=True))["model.layers.1.self_attn.q_proj"]
    x = torch.randn(5, 64)
    found = model.model.layers[1].self_attn.q_proj(x) - plain.model.layers[1].self_attn.q_proj(x)
    torch.testing.assert_close(found, x @ (2.0 * change.lora_B @ change.lora_A).T)
    merge(model)
    found = model.model.layers[1].self_attn.q_proj.weight - plain.model.layers[1].self_attn.q_proj.weight
    torch.testing.assert_close(found, 2.0 * change.lora_B @ change.lora_A)
    assert torch.equal(model.model.layers[1].self_attn.k_proj.weight, plain.model.layers[1].self_attn.k_proj.weight)


def test_the_seed_draws_the_start(build) -> None:
    first, same, other = (attach(build(), SHAPE, seed).changes[0].lora_A for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_merged_it_is_a_model_like_any_other(build) -> None:
    model, plain = build(), build()
    disturbed(model)
    wanted = model(TOKENS)
    assert (wanted - plain(TOKENS)).abs().max() > 0.1
    merge(model)
    torch.testing.assert_close(model(TOKENS), wanted)
    assert {name: tensor.shape for name, tensor in model.state_dict().items()} == {
        name: tensor.shape for name, tensor in plain.state_dict().items()
    }
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_saved_and_opened_it_is_the_same(saved: torch.Tensor, tmp_path: Path) -> None:
    opened, _ = load_language_model(tmp_path / "adapter")
    again, _ = load_language_model(tmp_path / "base")
    load_adapter(tmp_path / "adapter", again)
    with torch.no_grad():
        torch.testing.assert_close(opened(TOKENS), saved)
        assert torch.equal(again(TOKENS), saved)


def test_an_adapter_opens_as_a_model(saved: torch.Tensor, tmp_path: Path, tokenizer: Tokenizer) -> None:
    save_model(tmp_path / "merged", *load_language_model(tmp_path / "adapter"))
    greedy = Sampling(temperature=0, max_new_tokens=12)
    texts = [load(tmp_path / name).generate(["What is"], greedy)[0][0].text for name in ("adapter", "merged", "base")]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_peft_opens_it(saved: torch.Tensor, tmp_path: Path) -> None:
    peft, transformers = pytest.importorskip("peft"), pytest.importorskip("transformers")
    base = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    with torch.no_grad():
        assert (base(TOKENS).logits - saved).abs().max() > 0.1
        adapted = peft.PeftModel.from_pretrained(base, tmp_path / "adapter")
        assert (adapted(TOKENS).logits - saved).abs().max() < 1e-4


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_what_peft_saved_opens_here(save_foreign, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    theirs = save_foreign(tmp_path / "base", "qwen2")
    theirs.name_or_path = str(tmp_path / "base")
    config = peft.LoraConfig(r=4, lora_alpha=12, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted = peft.get_peft_model(theirs, config).eval()
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    adapted.save_pretrained(tmp_path / "adapter")
    ours, _ = load_language_model(tmp_path / "adapter")
    with torch.no_grad():
        assert (adapted(TOKENS).logits - ours(TOKENS)).abs().max() < 1e-4


def test_a_model_from_elsewhere_is_adapted_in_its_own_template(save_foreign, tmp_path: Path) -> None:
    save_foreign(tmp_path / "base", "llama")
    chat = [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "A swan."}]
    rows = [{"messages": chat}, {"prompt": "is it", "completion": " a swan"}]
    write_jsonl(tmp_path / "data/train.jsonl", rows)
    config = AdaptConfig(rows_per_step=2, lr=0.05, least_updates=60, targets=("q_proj", "v_proj", "up_proj"))
    work = Work(tmp_path / "checkpoints", tmp_path / "metrics.jsonl", threads=1, progress=False)
    adapt(tmp_path / "base", tmp_path / "data", tmp_path / "adapter", config, work)
    greedy = Sampling(temperature=0, max_new_tokens=12)
    prompts = [chat[:1], "is it"]
    adapted, base = (load(tmp_path / name).generate(prompts, greedy) for name in ("adapter", "base"))
    assert [(reply.text, reply.finish_reason) for [reply] in adapted] == [("A swan.", "stop"), (" a swan", "stop")]
    assert not {reply.text for [reply] in base} & {"A swan.", " a swan"}


def test_a_target_that_the_model_lacks_is_named(build) -> None:
    with pytest.raises(UserError, match="no layers called c_attn, w1; it has down_proj, gate_proj"):
        attach(build(), LoraShape(2, 4.0, ("q_proj", "w1", "c_attn")))


def test_a_base_that_changed_or_went_away_is_told(saved: torch.Tensor, build, tokenizer, tmp_path: Path) -> None:
    assert base_of(tmp_path / "adapter") == tmp_path / "base"
    save_model(tmp_path / "base", build(seed=5), tokenizer)
    with pytest.raises(UserError, match="base, whose weights are others by now. Adapt it again"):
        load(tmp_path / "adapter")
    (tmp_path / "base").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="base, which is no model folder on this machine. Bring it here"):
        load(tmp_path / "adapter")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"use_dora": True}, "sets use_dora, which can't be represented here: True"),
        ({"peft_type": "LOHA"}, "sets peft_type, .* 'LOHA'"),
        ({"modules_to_save": ["lm_head"]}, "sets modules_to_save"),
        ({"init_lora_weights": "pissa"}, "sets init_lora_weights"),
        ({"r": "eight"}, "has r = 'eight', which should be a whole number from 1 to 16384"),
        ({"r": 10**9}, "has r = 1000000000, which should be a whole number from 1 to 16384"),
        ({"lora_alpha": 10**400}, "has lora_alpha = 1000"),
        ({"r": 4}, r"lora_A has the shape \[3, 64\], expected \[4, 64\]"),
        ({"lora_alpha": None}, "has lora_alpha = None"),
        ({"base_model_name_or_path": "someone/model"}, "adapts the model someone/model, which is no model folder"),
    ],
)
def test_what_cannot_be_represented_is_refused(
    saved: torch.Tensor, tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    config = tmp_path / "adapter/adapter_config.json"
    write_json(config, {**read_json(config), **fields})
    with pytest.raises(UserError, match=message):
        load(tmp_path / "adapter")


def change_tensors(folder: Path, change) -> None:
    tensors = load_file(folder / "adapter_model.safetensors")
    change(tensors)
    save_file(tensors, folder / "adapter_model.safetensors")


def test_tensors_that_do_not_fit_are_named(saved: torch.Tensor, tmp_path: Path) -> None:
    folder, name = tmp_path / "adapter", "base_model.model.model.layers.0.self_attn.q_proj"
    change_tensors(folder, lambda tensors: tensors.pop(f"{name}.lora_B.weight"))
    with pytest.raises(UserError, match="layers.0.self_attn.q_proj.lora_B is missing"):
        load(folder)
    change_tensors(folder, lambda tensors: tensors.update({f"{name}.magnitude": torch.ones(1)}))
    with pytest.raises(UserError, match="q_proj.magnitude, which is not known here"):
        load(folder)
    tensors = load_file(folder / "adapter_model.safetensors")
    elsewhere = {key.replace("layers.0", "layers.7"): value for key, value in tensors.items() if "lora" in key}
    save_file(elsewhere, folder / "adapter_model.safetensors")
    with pytest.raises(UserError, match=r"layers.7.* which the model does not have"):
        load(folder)
    (folder / "adapter_model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(UserError, match="adapter_model.safetensors is damaged"):
        load(folder)
    (folder / "adapter_config.json").write_text(json.dumps([]))
    with pytest.raises(UserError, match="does not describe an adapter"):
        load(folder)
