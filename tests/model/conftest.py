"""Small models of other families, made by transformers with random weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as BpeTokenizer
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    SmolLM3Config,
    SmolLM3ForCausalLM,
)

TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
YARN = {"rope_type": "yarn", "rope_theta": 500.0, "factor": 4.0, "original_max_position_embeddings": 16}
_SHAPE = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
}
FAMILIES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "llama": (LlamaConfig, LlamaForCausalLM, {"rope_theta": 500.0}),
    "llama, tied, wide heads": (LlamaConfig, LlamaForCausalLM, {"tie_word_embeddings": True, "head_dim": 32}),
    "llama 3.1": (LlamaConfig, LlamaForCausalLM, {"rope_parameters": LLAMA3}),
    "llama 3.1, as published": (
        LlamaConfig,
        LlamaForCausalLM,
        {"rope_parameters": {**LLAMA3, "rope_theta": 500_000.0, "original_max_position_embeddings": 8192}},
    ),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM, {"tie_word_embeddings": True}),
    "qwen2, yarn": (Qwen2Config, Qwen2ForCausalLM, {"rope_parameters": YARN}),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM, {"head_dim": 16}),
    "qwen3, narrow heads, yarn": (Qwen3Config, Qwen3ForCausalLM, {"head_dim": 8, "rope_parameters": YARN}),
    "llama, linear": (
        LlamaConfig,
        LlamaForCausalLM,
        {"rope_parameters": {"rope_type": "linear", "rope_theta": 500.0, "factor": 4.0}},
    ),
    "mistral": (MistralConfig, MistralForCausalLM, {"sliding_window": None, "head_dim": 32}),
    "mistral, window": (MistralConfig, MistralForCausalLM, {"sliding_window": 40}),
    "smollm3": (SmolLM3Config, SmolLM3ForCausalLM, {"num_hidden_layers": 5, "no_rope_layer_interval": 4}),
    "smollm3, other layers": (SmolLM3Config, SmolLM3ForCausalLM, {"no_rope_layers": [0, 1], "head_dim": 32}),
}


@pytest.fixture(scope="session")
def foreign() -> BpeTokenizer:
    """A byte-level BPE of fewer than 300 tokens with the special tokens of ChatML."""
    bpe = BpeTokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIALS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(["What is it? It is a swan, assistant\nuser\n"] * 3, trainer=trainer)
    return bpe


Save = Callable[..., Any]


@pytest.fixture(scope="session")
def save_foreign(foreign: BpeTokenizer) -> Save:
    """Writes a model folder as transformers does, and returns its model."""

    def save(folder: Path, family: str, **saving: Any) -> Any:
        config, kind, own = FAMILIES[family]
        torch.manual_seed(0)
        model = kind(config(**{**_SHAPE, **own}, bos_token_id=None, eos_token_id=2, pad_token_id=0)).eval()
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(parameter)  # transformers begins with none
            elif parameter.ndim == 1:
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
        model.generation_config.eos_token_id = [2, 0]
        model.save_pretrained(folder, **saving)
        names = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "chat_template": TEMPLATE}
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=foreign, **names)
        tokenizer.save_pretrained(folder)
        return model

    return save
