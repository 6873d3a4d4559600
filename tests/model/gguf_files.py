"""GGUF files for tests, written by the library of the format's makers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gguf

from cygnet.model.config import ModelConfig


@contextmanager
def gguf_file(path: Path, architecture: str, config: ModelConfig) -> Iterator[gguf.GGUFWriter]:
    """A file that says the model's shape; what the block adds is in it when the block ends."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(config.layers)
    writer.add_context_length(config.context_length)
    writer.add_embedding_length(config.width)
    writer.add_feed_forward_length(config.ffn_width)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    yield writer
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
