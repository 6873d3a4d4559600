"""Models of one shape, each with the optimizer and the step of those who wrote it.

Four layers of width 256 with four heads: nanochat's depth 4 with the heads and the full windows of its runcpu.sh. The
others have SwiGLU instead of squared ReLU, so narrow that their layers have fewer parameters than nanochat's.
"""

import gc
import math
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from peers_text import LENGTH, ROWS, VOCABULARY
from torch import Tensor, nn

from cygnet.model.config import ModelConfig

LAYERS, WIDTH, HEADS, FFN_WIDTH = 4, 256, 4, 672
SHAPE = ModelConfig(
    vocab_size=VOCABULARY,
    context_length=LENGTH,
    layers=LAYERS,
    width=WIDTH,
    heads=HEADS,
    kv_heads=HEADS,
    head_width=WIDTH // HEADS,
    ffn_width=FFN_WIDTH,
)


@dataclass(frozen=True)
class Side:
    """A model in training.

    step: an update on [ROWS, LENGTH + 1] ids, told how many came before it and which share of the time is over.
    logits: [B, T] ids to [B, T, V], for the judge.
    """

    model: nn.Module
    step: Callable[[Tensor, int, float], None]
    logits: Callable[[Tensor], Tensor]

    def parameters(self) -> dict[str, int]:
        """How many there are, and how many of them are in the layers."""
        named = list(self.model.named_parameters())
        layers = (value for name, value in named if ".layers." in name or ".h." in name)
        return {"parameters": sum(value.numel() for _, value in named), "in_layers": sum(v.numel() for v in layers)}


def build(peer: str, bf16: bool, compiled: bool, settings: dict[str, Any]) -> Side:
    """One of `BUILDERS`."""
    return BUILDERS[peer](bf16, compiled, settings)


def cygnet(bf16: bool, compiled: bool, settings: dict[str, Any]) -> Side:
    """As `cygnet run` pretrains: the loop's update, the learning rates and the schedule of the settings' defaults."""
    from cygnet.model.transformer import Transformer
    from cygnet.stages.config import REFERENCE_BATCH, PretrainConfig
    from cygnet.training.compiling import compiled as quick
    from cygnet.training.loop import Loss, prepare_machine, update
    from cygnet.training.optimizers import muon_and_adamw
    from cygnet.training.rates import scaled_lr
    from cygnet.training.schedule import multiplier

    prepare_machine(settings["threads"])
    given = PretrainConfig()
    model = Transformer(SHAPE)
    model.compute_dtype = torch.bfloat16 if bf16 else torch.float32
    batch = {"batch": ROWS, "reference_batch": REFERENCE_BATCH}
    optimizers = muon_and_adamw(
        model, scaled_lr(given.matrix_lr, **batch), scaled_lr(given.other_lr, **batch, width=WIDTH)
    )
    peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]

    def nats(rows: Tensor) -> Tensor:
        return F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten(), reduction="sum")

    nats = quick(nats) if compiled else nats

    class Rows:
        """A stage of one batch."""

        name = "peers"
        rows: Tensor

        def micro_batches(self, step: int) -> list[Tensor]:  # noqa: ARG002 - a stage's interface
            return [self.rows]

        def loss(self, rows: Tensor) -> Loss:
            return Loss(nats(rows), float(rows[:, 1:].numel()), {})

    stage = Rows()

    def step(rows: Tensor, number: int, progress: float) -> None:
        # if it went on at this pace, which start-up makes look slow at first: of too few updates none would warm up
        steps = max(number + 1, 10 * given.warmup, round(number / max(progress, 1e-3)))
        scale = multiplier(number, steps, "warmup-stable-decay", given.warmup)
        for optimizer, group_peaks in zip(optimizers, peaks, strict=True):
            for group, peak in zip(optimizer.param_groups, group_peaks, strict=True):
                group["lr"] = peak * scale
        stage.rows = rows
        update(model, optimizers, stage, number, clip=0.0)

    return Side(model, step, model)


def nanochat(bf16: bool, compiled: bool, settings: dict[str, Any]) -> Side:
    """As its scripts/base_train.py trains; what goes by the number of updates there goes by the time here."""
    import os

    os.environ["NANOCHAT_DTYPE"] = "bfloat16" if bf16 else "float32"
    sys.path.insert(0, settings["nanochat"])
    from nanochat.gpt import GPT, GPTConfig

    def shaped(layers: int, width: int) -> GPTConfig:
        heads = width // (WIDTH // HEADS)
        return GPTConfig(LENGTH, VOCABULARY, layers, heads, heads, width, window_pattern="L")

    with torch.device("meta"):
        model, reference = GPT(shaped(LAYERS, WIDTH)), GPT(shaped(12, 768))
    model.to_empty(device="cpu")
    model.init_weights()
    optimizer, decay = _nanochat_optimizer(model, reference)
    quick = torch.compile(model, dynamic=False) if compiled else model

    def step(rows: Tensor, number: int, progress: float) -> None:
        loss = quick(rows[:, :-1].contiguous(), rows[:, 1:].contiguous())
        loss.backward()
        left = min(1.0, (1.0 - progress) / 0.65)
        scale = (number + 1) / settings["warmup"] if number < settings["warmup"] else left + (1 - left) * 0.05
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * scale
            if group["kind"] == "muon":
                group["momentum"] = _nanochat_momentum(number, left)
                group["weight_decay"] = decay * 0.5 * (1 + math.cos(math.pi * progress))
        optimizer.step()
        model.zero_grad(set_to_none=True)
        loss.item()
        if number == 0:  # it turns the collector off, too
            gc.collect()
            gc.freeze()
            gc.disable()

    return Side(model, step, model)


def _nanochat_optimizer(model: Any, reference: Any) -> tuple[torch.optim.Optimizer, float]:
    """With the rates that its script's defaults have for so small a batch, and the weight decay that they lead to."""
    scaling = [
        counts["transformer_matrices"] + counts["lm_head"]
        for counts in (model.num_scaling_params(), reference.num_scaling_params())
    ]
    root = (ROWS * LENGTH / 2**19) ** 0.5
    decay = 0.28 * root * (scaling[1] / scaling[0])
    optimizer = model.setup_optimizer(
        unembedding_lr=0.008 * root,
        embedding_lr=0.3 * root,
        scalar_lr=0.5 * root,
        matrix_lr=0.02 * root,
        weight_decay=decay,
    )
    return optimizer, decay


def _nanochat_momentum(number: int, left: float) -> float:
    return 0.85 + 0.12 * number / 400 if number < 400 else 0.97 * left + 0.90 * (1 - left)


def transformers(bf16: bool, compiled: bool, settings: dict[str, Any]) -> Side:
    """Its Qwen3, which is cygnet's model to the parameter, in a plain loop. `trainer` is the same in its Trainer."""
    del settings
    model = _qwen3()
    return _with_adamw(model, lambda ids: model(input_ids=ids, use_cache=False).logits, bf16, compiled)


def trainer(bf16: bool, compiled: bool, settings: dict[str, Any]) -> Side:
    """The same Qwen3 in transformers' Trainer: an update as its loop makes it, without what it does between updates."""
    from transformers import Trainer, TrainingArguments

    arguments = TrainingArguments(
        output_dir=settings["folder"],
        use_cpu=True,
        bf16=bf16,
        torch_compile=compiled,
        optim="adamw_torch_fused",
        learning_rate=1e-3,
        adam_beta2=0.95,
        max_grad_norm=0.0,
        lr_scheduler_type="constant",
        report_to=[],
    )
    model = _qwen3()
    own = Trainer(model=model, args=arguments)
    own.create_optimizer_and_scheduler(num_training_steps=1_000_000)
    own.current_gradient_accumulation_steps = 1  # as its loop sets it
    prepared, optimizer = own.accelerator.prepare(model, own.optimizer)

    def step(rows: Tensor, number: int, progress: float) -> None:
        del number, progress
        ids = rows[:, :-1].contiguous()
        loss = own.training_step(prepared, {"input_ids": ids, "labels": ids})
        optimizer.step()
        own.lr_scheduler.step()
        prepared.zero_grad()
        loss.item()

    return Side(model, step, lambda ids: model(input_ids=ids, use_cache=False).logits)


def _qwen3() -> Any:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    return Qwen3ForCausalLM(Qwen3Config(**SHAPE.to_huggingface()))


def litgpt(bf16: bool, compiled: bool, settings: dict[str, Any]) -> Side:
    """Its GPT with the parts of a Qwen3; its output matrix can't be the embeddings. A plain loop."""
    sys.path.append(settings["litgpt"])
    from litgpt.config import Config
    from litgpt.model import GPT

    shape = Config(
        block_size=LENGTH,
        padded_vocab_size=VOCABULARY,
        vocab_size=VOCABULARY,
        n_layer=LAYERS,
        n_head=HEADS,
        n_embd=WIDTH,
        rotary_percentage=1.0,
        parallel_residual=False,
        bias=False,
        norm_class_name="RMSNorm",
        norm_qk=True,
        mlp_class_name="LLaMAMLP",
        intermediate_size=FFN_WIDTH,
    )
    model = GPT(shape)
    return _with_adamw(model, model, bf16, compiled)


def _with_adamw(model: nn.Module, logits: Callable[[Tensor], Tensor], bf16: bool, compiled: bool) -> Side:
    """Fused AdamW, and bfloat16 by autocast, as both peers have it."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), fused=True)

    def nats(rows: Tensor) -> Tensor:
        return F.cross_entropy(logits(rows[:, :-1]).float().flatten(0, 1), rows[:, 1:].flatten())

    quick = torch.compile(nats, dynamic=False) if compiled else nats

    def precision() -> AbstractContextManager[None]:
        return torch.autocast("cpu", torch.bfloat16, enabled=bf16)

    def step(rows: Tensor, number: int, progress: float) -> None:
        del number, progress
        with precision():
            loss = quick(rows)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()

    return Side(model, step, logits)


BUILDERS: dict[str, Callable[[bool, bool, dict[str, Any]], Side]] = {
    "cygnet": cygnet,
    "nanochat": nanochat,
    "transformers": transformers,
    "trainer": trainer,
    "litgpt": litgpt,
}
