"""Make a ladder of games, whoever judged them: rows of prompt_id, model_a, model_b, winner and judge.

python examples/rate_matches.py runs/pocket/arena/matches.jsonl
"""

import sys
from itertools import pairwise
from pathlib import Path

from cygnet.arena.matches import read_matches
from cygnet.arena.ratings import rate


def main(path: Path) -> None:
    """Ratings with 95 % intervals, then each player's lead over the next."""
    ratings = rate(read_matches(path), bootstrap=1000, seed=1)
    for row in ratings.table():
        low, high = row["ci95"]
        print(f"{row['player']:12} {row['elo']:7.1f}   [{low:.0f}, {high:.0f}]   {row['games']} games")
    print()
    for better, worse in pairwise(ratings.players):
        lead, (low, high) = ratings.difference(better, worse)
        sure = "" if low > 0 else "   (not clear)"
        print(f"{better} over {worse}: {lead:+.0f} [{low:+.0f}, {high:+.0f}]{sure}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
