"""What the lab says of its pick is true: simulated, on models whose accuracy is known."""

from cygnet.lab import climb as climbing
from cygnet.lab.climb import best_of
from cygnet.lab.ladder import LADDER

TRUTH, TRIALS = 0.5, 30


def test_the_picks_interval_covers_the_truth_where_the_choosers_own_does_not(
    task, adder, up, tmp_path, monkeypatch
) -> None:
    """Six ways of asking, all of them right in half of cases: whichever is picked, is picked for its luck."""
    monkeypatch.setattr(climbing, "LADDER", [rung for rung in LADDER if rung.single])
    sums = task('asking.topic="sums"', count=96)
    excess, chosen_by, held_out, plain = 0.0, 0, 0, 0
    for salt in range(TRIALS):
        lm = adder(salt=salt, plain=TRUTH, told=TRUTH, shown=TRUTH)
        outcome = up(sums, lm, tmp_path / str(salt))
        best = best_of(outcome.measured)
        assert best.rung == outcome.picks.best
        excess += (best.accuracy - TRUTH) / TRIALS
        chosen_by += covers(best.interval)
        held_out += covers(outcome.picks.held_out[best.rung].interval)
        plain += covers(outcome.picks.held_out["plain"].interval)
    assert excess > 0.06, "the best of many looks better than it is"
    assert chosen_by < 0.9 * TRIALS, "so its interval on the items that chose it is too high"
    assert held_out >= 0.9 * TRIALS
    assert plain >= 0.9 * TRIALS


def covers(interval: tuple[float, float]) -> bool:
    return interval[0] <= TRUTH <= interval[1]
