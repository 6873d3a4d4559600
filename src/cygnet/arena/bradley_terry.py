"""Maximum likelihood for P(i beats j) = sigmoid(r_i - r_j) (Bradley & Terry 1952), many score tables at once."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def fit(points: Floats, tolerance: float = 1e-10, max_steps: int = 200) -> Floats:
    """Maximum-likelihood Bradley-Terry log-odds of a batch of score tables, by damped Newton.

    Minimizes sum_ij points[i, j] * softplus(r_j - r_i). The step is shortened by log(1 + b) / b, where b is the widest
    change of any difference: with it Newton descends from any start, for the logistic loss is generalized
    self-concordant (Sun & Tran-Dinh 2019, https://arxiv.org/abs/1703.04599), and it tends to a full step at the end.

    Args:
        points: [R, k, k], points[r, i, j] is what i scored against j; a path of wins must lead from every player to
            every other, or no maximum exists.

    Returns:
        [R, k] natural log-odds, each row with mean zero.

    Raises:
        ArithmeticError: no convergence, which means that no maximum exists.
    """
    rounds, k, _ = points.shape
    games = points + points.transpose(0, 2, 1)
    logits = np.zeros((rounds, k))
    for _ in range(max_steps):
        difference = logits[:, :, None] - logits[:, None, :]
        chance = np.exp(-np.logaddexp(0.0, -difference))
        gradient = (games * chance - points).sum(axis=2)
        curvature = games * chance * (1.0 - chance)
        # Adding ones / k to the Laplacian removes its null space (a shift of all ratings) and keeps the mean at zero.
        hessian = np.eye(k) * curvature.sum(axis=2)[:, :, None] - curvature + 1.0 / k
        try:
            step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        except np.linalg.LinAlgError:
            break  # the curvature vanished on the way to infinity
        width = np.ptp(step, axis=1, keepdims=True)
        logits -= step * np.divide(np.log1p(width), width, out=np.ones_like(width), where=width > 0)
        if width.max() < tolerance:
            return logits
    raise ArithmeticError("The ratings have no maximum-likelihood fit: some player won or lost every game.")
