"""Judgments of answers: the written rubric, and the simulated contractor who applies it with some error."""
