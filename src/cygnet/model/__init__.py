"""The Transformer, its scalar head, and reading and writing Hugging Face model folders."""
