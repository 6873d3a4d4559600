"""A simulated contractor: ranks answers by the rubric, with stated noise."""

import hashlib
from collections.abc import Sequence

import numpy as np

from cygnet.corpus.tasks import Exercise
from cygnet.feedback.rubric import judge


class Contractor:
    """Scores by the rubric plus Gaussian error of standard deviation `noise`; the same answer gets the same score."""

    def __init__(self, noise: float, seed: int) -> None:
        self._noise, self._seed = noise, seed

    def rank(self, exercise: Exercise, answers: Sequence[tuple[str, bool]]) -> tuple[list[int], list[float]]:
        """Ranks from 1 (best; equal answers share one) and the noisy scores behind them.

        `answers` are (response, finished) pairs, as `rubric.judge` takes them.
        """
        scores = [self._score(exercise, response, finished) for response, finished in answers]
        return [1 + sum(other > score for other in scores) for score in scores], scores

    def _score(self, exercise: Exercise, response: str, finished: bool) -> float:
        digest = hashlib.sha256(f"{self._seed}\0{exercise.prompt}\0{response}".encode()).digest()
        error = np.random.default_rng(int.from_bytes(digest[:8])).normal(0.0, self._noise)
        return round(judge(exercise, response, finished).total + float(error), 6)
