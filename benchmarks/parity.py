"""By how much our logits differ from transformers', for each architecture that opens here.

python benchmarks/parity.py

Each architecture is a small model with random weights, saved by transformers and opened by cygnet, in float32. "whole"
is the largest difference between logits over two rows of 60 tokens; "cached" between log-probabilities of the tokens
that our engine chose for three prompts of unequal length, decoded together from its cache, and transformers' for the
same tokens, read at once without a cache. Where llama-cpp-python is installed, the last column has the largest
difference to llama.cpp's logits, which reads the exported GGUF file. Needs transformers and `cygnet[gguf]`.
"""

from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer as BpeTokenizer
from tokenizers import decoders, models, pre_tokenizers, trainers

from cygnet import Sampling, UserError
from cygnet.generation import Engine
from cygnet.model.folder import load_language_model
from cygnet.model.gguf_write import write_gguf
from cygnet.model.peers import read_by_llama_cpp
from cygnet.model.reading import difference, read
from cygnet.tokens.sentencepiece import BYTE, CONTROL, NORMAL, bpe_of_pieces
from cygnet.tokens.spelling import BYTES

SHAPE = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
YARN = {"rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0, "original_max_position_embeddings": 16}
LINEAR = {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}
SENTENCEPIECE = "Llama 2 (SentencePiece)"
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "Llama": ("Llama", {}),
    SENTENCEPIECE: ("Llama", {}),
    "Llama, linear positions": ("Llama", {"rope_parameters": LINEAR}),
    "Llama 3.1": ("Llama", {"rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5, **LLAMA3}}),
    "SmolLM2 (Llama, tied)": ("Llama", {"tie_word_embeddings": True}),
    "Mistral Nemo (wide heads)": ("Mistral", {"sliding_window": None, "head_dim": 32}),
    "Mistral 7B (window of 60)": ("Mistral", {"sliding_window": 60}),
    "Qwen2": ("Qwen2", {}),
    "Qwen2.5, YaRN": ("Qwen2", {"rope_parameters": YARN, "tie_word_embeddings": True}),
    "Qwen3": ("Qwen3", {"head_dim": 32}),
    "Qwen3, YaRN": ("Qwen3", {"head_dim": 32, "rope_parameters": YARN}),
    "SmolLM3": ("SmolLM3", {"no_rope_layer_interval": 4}),
}
END = "<|end|>"
TOKENS = torch.randint(1, 300, (2, 60), generator=torch.Generator().manual_seed(0))
PROMPTS = [TOKENS[0, :17].tolist(), TOKENS[1, :4].tolist(), TOKENS[1, 5:16].tolist()]


def main() -> None:
    """Print the table."""
    transformers.utils.logging.disable_progress_bar()
    has_llama_cpp = find_spec("llama_cpp") is not None
    print(f"largest difference to transformers {transformers.__version__}, torch {torch.__version__}, float32\n")
    print("| architecture | logits up to | whole | cached |" + (" llama.cpp |" if has_llama_cpp else ""))
    print("| --- | --- | --- | --- |" + (" --- |" if has_llama_cpp else ""))
    for name, (kind, own) in ARCHITECTURES.items():
        with TemporaryDirectory() as place:
            bpe = sentencepiece() if name == SENTENCEPIECE else byte_level()
            theirs = save(Path(place) / "model", kind, own, bpe)
            cells = compare(Path(place), theirs, has_llama_cpp)
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def save(folder: Path, kind: str, own: dict[str, Any], bpe: BpeTokenizer) -> Any:
    """A random model of transformers' as a folder with a tokenizer; the model."""
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**{**SHAPE, **own})
    model = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)  # transformers begins with none
        elif parameter.ndim == 1:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    model.save_pretrained(folder)
    names = {"eos_token": END}
    transformers.PreTrainedTokenizerFast(tokenizer_object=bpe, **names).save_pretrained(folder)
    return model


def byte_level() -> BpeTokenizer:
    """A byte-level BPE of a few hundred tokens."""
    bpe = BpeTokenizer(models.BPE())
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=[END], initial_alphabet=alphabet, show_progress=False)
    bpe.train_from_iterator(["What is it? It is a swan on a lake."], trainer=trainer)
    return bpe


def sentencepiece() -> BpeTokenizer:
    """SentencePiece's BPE of a few pieces, the longest with the highest scores."""
    joined = ["▁swan", "▁swa", "▁sw", "▁s", "▁is", "▁i", "▁a"]
    pieces = [END, *BYTES, *joined, "▁", *"isawn"]
    kinds = [CONTROL, *[BYTE] * len(BYTES), *[NORMAL] * (len(joined) + 6)]
    return bpe_of_pieces(pieces, [-float(place) for place in range(len(pieces))], kinds)


def compare(place: Path, theirs: Any, has_llama_cpp: bool) -> list[str]:
    """The cells of a row."""
    ours, its_tokenizer = load_language_model(place / "model")
    with torch.no_grad():
        logits = theirs(TOKENS).logits
        whole = difference(logits, ours(TOKENS))
    cells = [f"{logits.abs().max():.1f}", f"{whole:.1e}", f"{cached(ours, its_tokenizer, theirs):.1e}"]
    if has_llama_cpp:
        try:
            write_gguf(place / "model.gguf", ours, its_tokenizer, "model", "float32")
            reading = read(ours, its_tokenizer)
            cells.append(f"{difference(reading.scores, read_by_llama_cpp(place / 'model.gguf', reading).scores):.1e}")
        except UserError as error:
            cells.append(str(error))
    return cells


def cached(ours: Any, its_tokenizer: Any, theirs: Any) -> float:
    """The largest difference of log-probabilities while decoding a batch."""
    sampling = Sampling(temperature=0, max_new_tokens=30, logprobs=0, logit_bias={0: -100.0})
    largest = 0.0
    for prompt, (found,) in zip(
        PROMPTS, Engine(ours, its_tokenizer, tool=None).generate(PROMPTS, sampling), strict=True
    ):
        ids = torch.tensor([[*prompt, *found.tokens]])
        with torch.no_grad():
            logits = theirs(ids).logits[0, len(prompt) - 1 : -1]
        wanted = logits.log_softmax(-1).gather(-1, ids[0, len(prompt) :, None])[:, 0]
        largest = max(largest, difference(wanted, torch.tensor(found.logprobs)))
    return largest


if __name__ == "__main__":
    main()
