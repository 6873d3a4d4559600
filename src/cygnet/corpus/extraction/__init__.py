"""From the bytes of a page to its text, and from a text to its language."""
