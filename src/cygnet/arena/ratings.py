"""Bradley-Terry ratings on the Elo scale, with intervals by prompt bootstrap.

Checkpoints do not change while they are judged, so the order of games carries no information: ratings are the
maximum-likelihood fit of P(a beats b) = sigmoid(r_a - r_b) (Bradley & Terry 1952), not online Elo. A tie counts as
half a win for each side. Prompts, not games, are the unit that is resampled: games on one prompt are correlated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from cygnet.arena.bradley_terry import Floats, fit
from cygnet.errors import UserError

ELO_SCALE = 400.0 / np.log(10.0)
"""Elo points per nat of log-odds."""

ELO_MEAN = 1000.0
"""Ratings are centered here. No player is pinned: an anchor would only move its own uncertainty onto everyone else."""

PRIOR_GAMES = 0.5
"""Half a virtual tie for each pair that played. It keeps the rating of an undefeated player finite (10-0 reads as a gap
of 645 Elo points instead of infinity) and is worth less than one real game."""


@dataclass(frozen=True, slots=True)
class Match:
    """One judged game. `outcome` is model_a's score: 1 won, 0.5 tied, 0 lost.

    `order` is "a_first" when the judge saw model_a's answer first, "both" when it saw both orders.
    """

    prompt_id: str
    model_a: str
    model_b: str
    outcome: float
    judge: str
    order: str = "a_first"
    answer_a: str = ""
    answer_b: str = ""


@dataclass(frozen=True)
class Ratings:
    """Fitted ratings of k players, with R bootstrap refits.

    players: names, best first. elo: [k]. draws: [R, k], each row centered on the mean like `elo`.
    wins, ties: [k, k]; wins[i, j] counts the games i won against j, ties[i, j] those they tied.
    """

    players: tuple[str, ...]
    elo: Floats
    draws: Floats
    wins: npt.NDArray[np.int64]
    ties: npt.NDArray[np.int64]

    def interval(self, player: str) -> tuple[float, float]:
        """95 % percentile interval of one player's rating, in Elo points around the mean of all players."""
        return _interval(self.draws[:, self.players.index(player)])

    def difference(self, first: str, second: str) -> tuple[float, tuple[float, float]]:
        """How many Elo points `first` is above `second`, with its 95 % interval.

        Both ratings of a draw come from the same resampled prompts, so this is a paired comparison: it can be
        clear where the two players' own intervals overlap.
        """
        i, j = self.players.index(first), self.players.index(second)
        return float(self.elo[i] - self.elo[j]), _interval(self.draws[:, i] - self.draws[:, j])

    def rank_range(self, player: str) -> tuple[int, int]:
        """Best and worst rank that the intervals allow: only players whose intervals lie apart are told apart."""
        low, high = self.interval(player)
        others = [self.interval(other) for other in self.players if other != player]
        above = sum(other_low > high for other_low, _ in others)
        below = sum(other_high < low for _, other_high in others)
        return 1 + above, len(self.players) - below

    def win_matrix(self) -> Floats:
        """[k, k] share of points (ties count half) that the row's player took from the column's; NaN if never met."""
        points = self.wins + 0.5 * self.ties
        games = self.wins + self.wins.T + self.ties
        shares: Floats = np.full(points.shape, np.nan)
        np.divide(points, games, out=shares, where=games > 0)
        return shares

    def tie_rate(self) -> float:
        """Share of games that were tied. Ties shrink the scale, so ladders with different tie rates do not compare."""
        ties = self.ties.sum() / 2
        return float(ties / (ties + self.wins.sum()))

    def table(self) -> list[dict[str, Any]]:
        """One row a player, best first: player, elo, ci95 [low, high], rank [best, worst], games, wins, ties."""
        return [
            {
                "player": player,
                "elo": round(float(self.elo[i]), 1),
                "ci95": [round(bound, 1) for bound in self.interval(player)],
                "rank": list(self.rank_range(player)),
                "games": int(self.wins[i].sum() + self.wins[:, i].sum() + self.ties[i].sum()),
                "wins": int(self.wins[i].sum()),
                "ties": int(self.ties[i].sum()),
            }
            for i, player in enumerate(self.players)
        ]


def _interval(draws: Floats) -> tuple[float, float]:
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def rate(
    matches: Sequence[Match], bootstrap: int = 1000, seed: int = 0, weights: Sequence[float] | None = None
) -> Ratings:
    """Fit Bradley-Terry ratings to `matches` and bootstrap them over prompts.

    Args:
        matches: games between at least two players, every player linked to every other by some chain of games.
        bootstrap: number of refits, each on a resample of the prompts with replacement.
        seed: of the resampling; the result does not depend on the order of `matches`.
        weights: how many games each match counts for (all 1 when left out), for example to trust one judge more.

    Raises:
        UserError: no matches, an outcome other than 1, 0.5 or 0, a weight that is not positive, a model matched with
            itself, or players that no chain of games links (the message names a missing pair).
    """
    strengths = _checked_weights(matches, weights)
    players = sorted({name for match in matches for name in (match.model_a, match.model_b)})
    points = _points_by_prompt(matches, strengths, players)
    played = points.sum(axis=0)
    _refuse_disconnected(players, played + played.T)
    prior = 0.5 * PRIOR_GAMES * (played + played.T > 0)
    rng = np.random.default_rng(seed)
    logits = fit((played + prior)[None])[0]
    draws = fit(_resampled(points, bootstrap, rng) + prior)
    best_first = np.argsort(-logits, kind="stable")
    wins, ties = _counts(matches, [players[i] for i in best_first])
    return Ratings(
        players=tuple(players[i] for i in best_first),
        elo=ELO_MEAN + ELO_SCALE * logits[best_first],
        draws=ELO_MEAN + ELO_SCALE * draws[:, best_first],
        wins=wins,
        ties=ties,
    )


def _checked_weights(matches: Sequence[Match], weights: Sequence[float] | None) -> Floats:
    if not matches:
        raise UserError("There are no matches to rate. Play some games first.")
    for number, match in enumerate(matches, 1):
        if match.outcome not in (1.0, 0.5, 0.0):
            raise UserError(f"match {number}: outcome is {match.outcome}; it must be 1, 0.5 or 0.")
        if match.model_a == match.model_b:
            raise UserError(f"match {number}: {match.model_a!r} plays against itself.")
    strengths = np.ones(len(matches)) if weights is None else np.asarray(weights, dtype=np.float64)
    if strengths.shape != (len(matches),):
        raise UserError(f"{strengths.size} weights were given for {len(matches)} matches; give one each.")
    if not (np.isfinite(strengths) & (strengths > 0)).all():
        raise UserError("Every weight must be a positive number; leave out the matches that should not count.")
    return strengths


def _points_by_prompt(matches: Sequence[Match], weights: Floats, players: list[str]) -> Floats:
    """[prompts, k, k]: what the row's player scored against the column's on each prompt."""
    index = {name: i for i, name in enumerate(players)}
    prompts = {name: i for i, name in enumerate(sorted({match.prompt_id for match in matches}))}
    points = np.zeros((len(prompts), len(players), len(players)))
    for match, weight in zip(matches, weights, strict=True):
        p, a, b = prompts[match.prompt_id], index[match.model_a], index[match.model_b]
        points[p, a, b] += weight * match.outcome
        points[p, b, a] += weight * (1.0 - match.outcome)
    return points


def _resampled(points: Floats, rounds: int, rng: np.random.Generator) -> Floats:
    """[rounds, k, k] score tables of resampled prompts. Counting how often each is drawn avoids copying any game."""
    prompts, k, _ = points.shape
    flat = points.reshape(prompts, k * k)
    even = np.full(prompts, 1.0 / prompts)
    tables = [rng.multinomial(prompts, even) @ flat for _ in range(rounds)]
    return np.stack(tables).reshape(rounds, k, k)


def _counts(matches: Sequence[Match], players: list[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    index = {name: i for i, name in enumerate(players)}
    wins = np.zeros((len(players), len(players)), dtype=np.int64)
    ties = np.zeros_like(wins)
    for match in matches:
        a, b = index[match.model_a], index[match.model_b]
        if match.outcome == 0.5:
            ties[a, b] += 1
            ties[b, a] += 1
        else:
            winner, loser = (a, b) if match.outcome == 1.0 else (b, a)
            wins[winner, loser] += 1
    return wins, ties


def _refuse_disconnected(players: list[str], games: Floats) -> None:
    """Ratings of players that no chain of games links would differ by an arbitrary amount."""
    reached = {0}
    while True:
        frontier = {int(j) for i in reached for j in np.flatnonzero(games[i])} - reached
        if not frontier:
            break
        reached |= frontier
    for i, j in combinations(range(len(players)), 2):
        if (i in reached) != (j in reached):
            raise UserError(
                f"No chain of games links {players[i]!r} and {players[j]!r}, so they cannot be ranked together. "
                "Play at least one game between them."
            )
