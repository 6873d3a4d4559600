"""Text to token ids and back: the tokenizer, the chat format, token shards and packed rows."""
