"""Measuring models: bits per byte against compressors, and what else does not need a judge."""
