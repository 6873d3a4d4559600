"""Ways of asking a language model: each a small program, all with one result type."""
