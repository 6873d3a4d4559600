"""The ratings are the Bradley-Terry maximum, they do not depend on how games are written down, and intervals cover."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cygnet.arena.ratings import ELO_MEAN, ELO_SCALE, Match, rate
from cygnet.errors import UserError

OUTCOMES = st.sampled_from([1.0, 0.5, 0.0])


@st.composite
def tournaments(draw: st.DrawFn) -> list[Match]:
    """Every pair meets at least once, so the graph is connected; some games more, with any outcome."""
    names = [f"p{i}" for i in range(draw(st.integers(2, 5)))]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    extra = draw(st.lists(st.sampled_from(pairs), max_size=20))
    return [Match(f"q{draw(st.integers(0, 9))}", a, b, draw(OUTCOMES), judge="coin") for a, b in [*pairs, *extra]]


def elo(matches: list[Match], **options: object) -> dict[str, float]:
    ratings = rate(matches, bootstrap=2, **options)  # type: ignore[arg-type]
    return dict(zip(ratings.players, ratings.elo, strict=True))


def simulated(strengths: dict[str, float], prompts: int, seed: int, swing: float = 0.0) -> list[Match]:
    """Games drawn from the Bradley-Terry model itself; `swing` makes the games on one prompt agree with each other."""
    rng = np.random.default_rng(seed)
    names = sorted(strengths)
    matches = []
    for prompt in range(prompts):
        luck = dict(zip(names, rng.normal(0, swing, len(names)), strict=True))
        for i, a in enumerate(names):
            for b in names[i + 1 :]:
                gap = strengths[a] - strengths[b] + luck[a] - luck[b]
                matches.append(Match(f"q{prompt}", a, b, float(rng.random() < 1 / (1 + np.exp(-gap))), "model"))
    return matches


@settings(max_examples=40, deadline=None)
@given(tournaments(), st.randoms(use_true_random=False))
def test_names_and_order_of_games_do_not_matter(matches, random):
    renamed = [Match(m.prompt_id, "z" + m.model_a, "z" + m.model_b, m.outcome, m.judge) for m in matches]
    random.shuffle(renamed)
    before, after = elo(matches), elo(renamed)
    assert after == {"z" + name: pytest.approx(value, abs=1e-6) for name, value in before.items()}


@settings(max_examples=40, deadline=None)
@given(tournaments(), st.data())
def test_swapping_sides_changes_nothing(matches, data):
    swapped = [
        Match(m.prompt_id, m.model_b, m.model_a, 1 - m.outcome, m.judge) if data.draw(st.booleans()) else m
        for m in matches
    ]
    assert elo(swapped) == pytest.approx(elo(matches), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(tournaments())
def test_duplicating_every_game_equals_doubling_every_weight(matches):
    twice = elo([*matches, *matches])
    assert twice == pytest.approx(elo(matches, weights=[2.0] * len(matches)), abs=1e-6)
    assert np.mean(list(twice.values())) == pytest.approx(ELO_MEAN)


def test_duplicating_many_games_leaves_ratings_where_they_were():
    matches = simulated({"a": 0.0, "b": 0.6, "c": 1.1}, prompts=400, seed=1)
    assert elo([*matches, *matches]) == pytest.approx(elo(matches), abs=0.5)


def test_planted_ratings_are_recovered():
    planted = {"a": -0.9, "b": -0.2, "c": 0.3, "d": 0.8}
    fitted = elo(simulated(planted, prompts=6000, seed=2))
    assert fitted == {name: pytest.approx(ELO_MEAN + ELO_SCALE * value, abs=12) for name, value in planted.items()}


def test_two_players_match_the_closed_form_with_the_documented_prior():
    matches = [Match(f"q{i}", "a", "b", 1.0, "j") for i in range(10)]
    fitted = elo(matches)
    assert fitted["a"] - fitted["b"] == pytest.approx(ELO_SCALE * np.log(10.25 / 0.25), abs=1e-6)


def test_the_interval_covers_the_planted_rating_about_95_times_in_100():
    planted = {"a": 0.0, "b": 0.5, "c": 1.0}
    truth = ELO_MEAN + ELO_SCALE * (planted["c"] - 0.5)
    hits = 0
    for seed in range(100):
        low, high = rate(simulated(planted, prompts=120, seed=seed), bootstrap=200, seed=seed).interval("c")
        hits += low <= truth <= high
    assert 88 <= hits <= 100


def test_prompts_are_the_unit_that_is_resampled():
    matches = simulated({"a": 0.0, "b": 0.4}, prompts=200, seed=4)
    copies = [Match(m.prompt_id, m.model_a, m.model_b, m.outcome, m.judge) for m in matches for _ in range(9)]
    independent = [Match(f"{m.prompt_id}/{i}", m.model_a, m.model_b, m.outcome, m.judge) for i, m in enumerate(copies)]

    def width(games: list[Match]) -> float:
        low, high = rate(games).interval("a")
        return high - low

    assert width(copies) == pytest.approx(width(matches), rel=0.1)
    assert width(independent) < 0.5 * width(copies)


def test_draws_are_centered_and_differences_are_paired():
    ratings = rate(simulated({"a": 0.0, "b": 0.4, "c": 0.5}, prompts=150, seed=5), seed=6)
    np.testing.assert_allclose(ratings.draws.mean(axis=1), ELO_MEAN)
    gap, (low, high) = ratings.difference("a", "b")
    back, (negative_high, negative_low) = ratings.difference("b", "a")
    assert low < gap < high
    assert (back, negative_high, negative_low) == pytest.approx((-gap, -high, -low))


def test_the_same_seed_gives_the_same_intervals_whatever_the_order_of_games():
    matches = simulated({"a": 0.0, "b": 0.4, "c": 0.5}, prompts=50, seed=7)
    assert rate(matches, seed=1).table() == rate(matches[::-1], seed=1).table()
    assert rate(matches, seed=1).table() != rate(matches, seed=2).table()


def test_the_table_counts_games_and_ranks_by_intervals():
    clear = [Match(f"q{i}", "strong", "weak", 1.0 if i % 10 else 0.5, "j") for i in range(100)]
    even = [Match(f"q{i}", "weak", "also weak", float(i % 2), "j") for i in range(100)]
    ratings = rate([*clear, *even])
    first, second, third = ratings.table()
    assert (first["player"], first["games"], first["wins"], first["ties"]) == ("strong", 100, 90, 10)
    assert first["rank"] == [1, 1]
    assert second["rank"] == third["rank"] == [2, 3]
    assert first["ci95"][0] <= first["elo"] <= first["ci95"][1]
    assert ratings.tie_rate() == pytest.approx(0.05)
    matrix = ratings.win_matrix()
    strong, weak, also = (ratings.players.index(name) for name in ("strong", "weak", "also weak"))
    assert matrix[strong, weak] == pytest.approx(0.95)
    assert matrix[weak, strong] == pytest.approx(0.05)
    assert np.isnan(matrix[strong, also])


def test_unlinked_players_are_refused_by_name():
    matches = [Match("q", "a", "b", 1.0, "j"), Match("q", "c", "d", 1.0, "j")]
    with pytest.raises(UserError, match="'a' and 'c'"):
        rate(matches)


@pytest.mark.parametrize(
    ("matches", "weights", "message"),
    [
        ([], None, "no matches"),
        ([Match("q", "a", "b", 0.7, "j")], None, "match 1: outcome is 0.7"),
        ([Match("q", "a", "a", 1.0, "j")], None, "plays against itself"),
        ([Match("q", "a", "b", 1.0, "j")], [1.0, 1.0], "2 weights were given for 1 matches"),
        ([Match("q", "a", "b", 1.0, "j")], [0.0], "positive"),
    ],
)
def test_bad_matches_are_refused(matches, weights, message):
    with pytest.raises(UserError, match=message):
        rate(matches, weights=weights)
