"""Texts that say the same again: exactly, nearly, or line by line on all pages of a host."""

# Lines that go: those that stand on more than this share of a host's pages, and on so many at least. Here, and not in
# `lines`, because settings must not wait for numpy.
SHARE = 0.3
LEAST = 10
