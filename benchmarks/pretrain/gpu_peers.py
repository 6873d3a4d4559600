"""nanochat and torchtitan at a shape of gpu.py, each with the optimizers and the step of those who wrote it."""

import gc
import os
import sys
from typing import Any

import torch
from gpu_shapes import Shape, Side
from torch import Tensor, nn


def nanochat(shape: Shape, how: list[str], rows: int, settings: dict[str, Any]) -> Side:
    """As its scripts/base_train.py trains."""
    os.environ["NANOCHAT_DTYPE"] = "bfloat16"
    sys.path.insert(0, settings["nanochat"])
    from nanochat.gpt import GPT, GPTConfig, Linear

    device, heads = settings["device"], shape.heads
    with torch.device("meta"):
        model = GPT(GPTConfig(shape.length, shape.vocabulary, shape.layers, heads, heads, shape.width, "L"))
    model.to_empty(device=device)
    model.init_weights()
    weights = sum(module.weight.numel() for module in model.modules() if isinstance(module, Linear))
    if "fp8" in how:
        from nanochat.fp8 import Float8LinearConfig, convert_to_float8_training

        def large(module: Any, name: str) -> bool:  # its script's choice
            del name
            sides = (module.in_features, module.out_features) if isinstance(module, nn.Linear) else (0, 0)
            return min(sides) >= 128 and all(side % 16 == 0 for side in sides)

        convert_to_float8_training(
            model, config=Float8LinearConfig.from_recipe_name("tensorwise"), module_filter_fn=large
        )
    optimizer = model.setup_optimizer()
    quick = torch.compile(model, dynamic=False) if "compiled" in how else model

    def update(ids: Tensor) -> float:
        parts = ids.split(rows)
        for part in parts:
            tokens, targets = _sent(part, device)
            loss = quick(tokens, targets) / len(parts)
            loss.backward()
        optimizer.step()
        model.zero_grad(set_to_none=True)
        return float(loss.detach()) * len(parts)

    gc.disable()  # as it does
    return Side(model, update, weights)


def torchtitan(shape: Shape, how: list[str], rows: int, settings: dict[str, Any]) -> Side:
    """Its Qwen3 as its Trainer trains: each block compiled and the loss, logits by parts, clipped gradients.

    With autocast, where its Trainer has FSDP over one device, and causal attention by torch's kernels, where its own
    data would need a mask.
    """
    sys.path.append(settings["torchtitan"])
    from torchtitan.components.loss import ChunkedLossWrapper
    from torchtitan.config import CompileConfig

    device = settings["device"]
    with torch.device("meta"):
        model = _titan_config(shape).build()
    model.to_empty(device=device)
    model.init_states(buffer_device=torch.device(device))
    optimizer = torch.optim.AdamW(model.parameters(), lr=8e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    compiled = "compiled" in how
    for block in model.layers.children() if compiled else ():
        block.compile(fullgraph=True)
    mean_loss = ChunkedLossWrapper.Config().build(compile_config=CompileConfig(enable=compiled))
    mean_loss.set_lm_head(model.lm_head)
    model._skip_lm_head = True  # noqa: SLF001 - as its Trainer does
    precision = torch.autocast(device.partition(":")[0], torch.bfloat16)

    def update(ids: Tensor) -> float:
        count = torch.tensor(ids.numel() - len(ids), device=device)
        for part in ids.split(rows):
            tokens, targets = _sent(part, device)
            with precision:  # the logits' backward pass is in there too
                loss, _ = mean_loss(model(tokens), targets, count)
            loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.detach()) * len(ids) / len(part)

    return Side(model, update, sum(parameter.numel() for parameter in model.parameters()))


def _titan_config(shape: Shape) -> Any:
    from torchtitan.models.common import CosSinRoPE, Embedding, Linear, RMSNorm
    from torchtitan.models.common.attention import ScaledDotProductAttention
    from torchtitan.models.common.config_utils import make_ffn_config, make_gqa_config
    from torchtitan.models.common.param_init import skip_param_init
    from torchtitan.models.qwen3.model import Qwen3Model, Qwen3TransformerBlock

    drawn = {"weight": lambda weight: nn.init.normal_(weight, std=0.02)}
    each = shape.width // shape.heads

    def norm(width: int) -> Any:
        return RMSNorm.Config(normalized_shape=width, eps=1e-6, param_init={"weight": nn.init.ones_})

    def block() -> Any:
        return Qwen3TransformerBlock.Config(
            attention_norm=norm(shape.width),
            ffn_norm=norm(shape.width),
            attention=make_gqa_config(
                dim=shape.width,
                n_heads=shape.heads,
                n_kv_heads=shape.heads,
                head_dim=each,
                wqkv_param_init=drawn,
                wo_param_init=drawn,
                inner_attention=ScaledDotProductAttention.Config(),
                fuse_qkv=True,
                rope=CosSinRoPE.Config(dim=each, max_seq_len=shape.length, theta=10_000.0),
                qk_norm=norm(each),
            ),
            feed_forward=make_ffn_config(
                dim=shape.width, hidden_dim=shape.ffn_width, w1_param_init=drawn, w2w3_param_init=drawn
            ),
        )

    return Qwen3Model.Config(
        vocab_size=shape.vocabulary,
        dim=shape.width,
        norm=norm(shape.width),
        enable_weight_tying=True,
        tok_embeddings=Embedding.Config(
            num_embeddings=shape.vocabulary, embedding_dim=shape.width, param_init={"weight": skip_param_init}
        ),
        lm_head=Linear.Config(in_features=shape.width, out_features=shape.vocabulary, param_init=drawn),
        layers=[block() for _ in range(shape.layers)],
    )


def _sent(part: Tensor, device: str) -> tuple[Tensor, Tensor]:
    """What is read and what is predicted, on their way to the device."""
    if device.startswith("cuda"):
        part = part.pin_memory().to(device, non_blocking=True)
    return part[:, :-1].contiguous(), part[:, 1:].contiguous()
