"""How other programs read what was exported. Each opens it by itself; nothing of ours is in between."""

from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from cygnet.model.gguf_vocabulary import PROBES
from cygnet.model.reading import CHAT, Reading


def read_by_transformers(folder: Path, asked: Reading) -> Reading:
    """What transformers makes of a folder, in float32."""
    transformers: Any = import_module("transformers")  # whose own types are in the way
    scalar = asked.scores.ndim == 1
    kind = transformers.AutoModelForSequenceClassification if scalar else transformers.AutoModelForCausalLM
    transformers.utils.logging.disable_progress_bar()
    model = kind.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    with torch.no_grad():
        found = model(torch.tensor([asked.ids])).logits[0]
    written = None
    if asked.chat is not None:
        written = tokenizer.apply_chat_template(CHAT, add_generation_prompt=True, return_dict=False)
    ids = [tokenizer.encode(text, add_special_tokens=False) for text in PROBES]
    # A classifier of transformers tells the score of the last token only.
    scores = torch.cat([asked.scores[:-1], found]) if scalar else found
    return Reading(asked.ids, scores, asked.texts, ids, written, asked.said)


def read_by_llama_cpp(file: Path, asked: Reading) -> Reading:
    """What llama.cpp makes of a GGUF file, on the CPU and with keys and values kept in float32.

    Its Python interface leaves templates to Python, so of a conversation only the reading of its text is compared.
    """
    import llama_cpp

    model = llama_cpp.Llama(
        str(file),
        n_ctx=len(asked.ids),
        n_batch=len(asked.ids),
        n_gpu_layers=0,
        logits_all=True,
        type_k=llama_cpp.GGML_TYPE_F32,
        type_v=llama_cpp.GGML_TYPE_F32,
        verbose=False,
    )
    try:
        model.eval(asked.ids)
        scores = torch.from_numpy(model.scores[: len(asked.ids)].copy())
        ids = [_tokens(model, text, special=False) for text in PROBES]
        written = None if asked.said is None else _tokens(model, asked.said, special=True)
    finally:
        model.close()
    return Reading(asked.ids, scores, asked.texts, ids, written, asked.said)


def _tokens(model: Any, text: str, special: bool) -> list[int]:
    return list(model.tokenize(text.encode(), add_bos=False, special=special))
