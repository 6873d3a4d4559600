"""Texts that say the same again: exactly, nearly, or line by line on all pages of a host."""
