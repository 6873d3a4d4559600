from pathlib import Path

import pytest
import torch

from cygnet.model.folder import load_clamped_language_model


@pytest.mark.parametrize("precision", ["float32", "int8", "nf4"])
def test_all_of_a_model_with_biases_goes_to_a_device(tmp_path: Path, save_foreign, precision) -> None:
    save_foreign(tmp_path / "model", "qwen2")
    model, _ = load_clamped_language_model(tmp_path / "model", precision)
    layer = model.model.layers[0].self_attn.q_proj
    assert torch.is_tensor(layer.bias)
    model.to("meta")
    assert layer.bias.is_meta
    assert not any(parameter.requires_grad for parameter in model.parameters())
