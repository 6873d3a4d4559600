"""The ladder: play, rate, write both down."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from cygnet.arena.matches import Judge, Row, play, write_matches
from cygnet.arena.ratings import Match, Ratings, rate
from cygnet.files import write_json


def rank(
    answers: Mapping[str, Sequence[str]],
    prompts: Sequence[Row],
    judge: Judge,
    out: Path,
    seed: int,
    *,
    bootstrap: int = 1000,
    both_orders: bool = False,
) -> dict[str, Any]:
    """Play every pair on every prompt, rate the players, write `out/matches.jsonl` and `out/ladder.json`.

    The arguments and errors are those of `matches.play` and `ratings.rate`. Returns what ladder.json holds, which
    `ladder` describes.
    """
    matches = play(answers, prompts, judge, seed, both_orders=both_orders)
    result = ladder(matches, rate(matches, bootstrap, seed))
    write_matches(out / "matches.jsonl", matches)
    write_json(out / "ladder.json", result)
    return result


def ladder(matches: Sequence[Match], ratings: Ratings) -> dict[str, Any]:
    """Everything a reader of the ladder needs, as JSON.

    ladder: `Ratings.table()`. differences: for each pair, the better player first, its lead in Elo points with the
    95 % interval. win_matrix: row's share of points against column, null where they never met. tie_rate: share of
    games. first_shown_score: mean score of the answer shown first; away from 0.5 the judge favors a position.
    """
    once = [match.outcome for match in matches if match.order == "a_first"]
    return {
        "judges": sorted({match.judge for match in matches}),
        "prompts": len({match.prompt_id for match in matches}),
        "games": len(matches),
        "tie_rate": round(ratings.tie_rate(), 4),
        "first_shown_score": round(float(np.mean(once)), 4) if once else None,
        "ladder": ratings.table(),
        "differences": [_difference(ratings, better, worse) for better, worse in combinations(ratings.players, 2)],
        "win_matrix": _nested(ratings),
    }


def _difference(ratings: Ratings, better: str, worse: str) -> dict[str, Any]:
    lead, interval = ratings.difference(better, worse)
    return {
        "player": better,
        "over": worse,
        "elo": round(lead, 1),
        "ci95": [round(bound, 1) for bound in interval],
    }


def _nested(ratings: Ratings) -> dict[str, dict[str, float | None]]:
    shares = ratings.win_matrix()
    return {
        row: {
            column: None if np.isnan(share) else round(float(share), 4)
            for column, share in zip(ratings.players, shares[i], strict=True)
        }
        for i, row in enumerate(ratings.players)
    }
