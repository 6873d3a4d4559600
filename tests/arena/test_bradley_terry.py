"""The fit against an independent implementation."""

import choix
import numpy as np
import pytest

from cygnet.arena.bradley_terry import fit


def test_the_fit_agrees_with_an_independent_implementation():
    rng = np.random.default_rng(3)
    wins = rng.integers(1, 30, size=(4, 6, 6)).astype(float)
    for table in wins:
        np.fill_diagonal(table, 0.0)
    for table, ours in zip(wins, fit(wins), strict=True):
        games = [(i, j) for i in range(6) for j in range(6) for _ in range(int(table[i, j]))]
        np.testing.assert_allclose(ours, choix.opt_pairwise(6, games, tol=1e-10), atol=1e-6)


def test_a_player_who_never_loses_has_no_fit_without_the_prior():
    with pytest.raises(ArithmeticError, match="no maximum"):
        fit(np.array([[[0.0, 5.0], [0.0, 0.0]]]))
