import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.corpus.quality.features import BUCKETS, features
from cygnet.corpus.quality.learned import QualityFilter, keep_pareto, top_share_threshold, train_filter
from cygnet.errors import UserError

SHARED = "the of and a in swan river bridge water stone".split()


def _texts(words: str, count: int, seed: int) -> list[str]:
    """Texts mostly of words that both kinds have."""
    rng = random.Random(seed)
    pool = SHARED * 3 + words.split()
    return [f"{number}: " + " ".join(rng.choices(pool, k=rng.randint(30, 60))) for number in range(count)]


GOOD = _texts("therefore observed measured explains", 200, 1)
CRAWL = _texts("click subscribe cheap login", 300, 2)


@pytest.fixture(scope="module")
def trained() -> QualityFilter:
    return train_filter(GOOD, CRAWL, seed=3)


def test_it_tells_new_texts_apart(trained: QualityFilter) -> None:
    good, crawl = (trained.score(_texts(words, 50, 9)) for words in ("therefore measured", "click cheap"))
    assert good.shape == (50,)
    assert good.mean() > 0.75
    assert crawl.mean() < 0.25
    assert (trained.heldout.good, trained.heldout.crawl) == (20, 30)
    assert trained.heldout.accuracy > 0.95
    assert trained.heldout.auc > 0.99


def test_word_order_counts(trained: QualityFilter) -> None:
    rng = random.Random(5)
    forward = ["one two three four " * rng.randint(3, 9) + str(number) for number in range(60)]
    backward = ["four three two one " * rng.randint(3, 9) + str(number) for number in range(60)]
    assert train_filter(forward, backward, seed=1).heldout.auc == 1


def test_what_cannot_be_told_apart_is_measured_as_a_coin() -> None:
    one, other = _texts("same words", 400, 11), _texts("same words", 400, 12)
    heldout = train_filter([f"{text}." for text in one], [f"{text} ." for text in other], seed=1).heldout
    assert 0.25 < heldout.auc < 0.75
    assert 0.25 < heldout.accuracy < 0.75


def test_the_same_texts_and_seed_give_the_same_filter(trained: QualityFilter, tmp_path: Path) -> None:
    again = train_filter(GOOD, CRAWL, seed=3)
    other = train_filter(GOOD, CRAWL, seed=4)
    for name, each in (("a", trained), ("b", again), ("c", other)):
        each.save(tmp_path / name)
    files = {name: (tmp_path / name / "weights.npz").read_bytes() for name in "abc"}
    assert files["a"] == files["b"] != files["c"]


def test_many_of_one_kind_do_not_outvote_the_other() -> None:
    few = train_filter(GOOD[:30], CRAWL, seed=1)
    assert few.heldout.accuracy > 0.9
    assert 0.2 < few.score([""])[0] < 0.8


def test_saved_and_loaded_it_scores_the_same(trained: QualityFilter, tmp_path: Path) -> None:
    trained.save(tmp_path / "filter")
    loaded = QualityFilter.load(tmp_path / "filter")
    texts = [*GOOD[:5], *CRAWL[:5], "", "\ud800 half"]
    assert (loaded.score(texts) == trained.score(texts)).all()
    assert (loaded.threshold, loaded.heldout) == (trained.threshold, trained.heldout)
    assert {path.name for path in (tmp_path / "filter").iterdir()} == {"filter.json", "weights.npz"}


def test_scores_do_not_depend_on_the_company(trained: QualityFilter) -> None:
    texts = GOOD[:7] + CRAWL[:7]
    assert np.allclose(trained.score(texts), [trained.score([text])[0] for text in texts], rtol=0, atol=1e-12)
    assert trained.score([]).shape == (0,)


@pytest.mark.parametrize("damage", ["no json", "no weights", "half", "format", "shape", "keys", "list"])
def test_a_damaged_filter_is_named(trained: QualityFilter, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "filter"
    trained.save(folder)
    described, weights = folder / "filter.json", folder / "weights.npz"
    if damage == "no json":
        described.unlink()
    elif damage == "no weights":
        weights.unlink()
    elif damage == "half":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "shape":
        np.savez(weights, weights=np.zeros(3))
    else:
        texts = {"format": json.dumps({"format": 99}), "keys": '{"format": 1}', "list": "[]"}
        described.write_text(texts[damage])
    with pytest.raises(UserError, match="filter"):
        QualityFilter.load(folder)


def test_too_few_texts_and_texts_on_both_sides_are_refused() -> None:
    with pytest.raises(UserError, match="20 different good texts or more, found 2"):
        train_filter(["a", "b", "a", "b"] * 9, CRAWL, seed=1)
    with pytest.raises(UserError, match="1 texts are both good and crawl"):
        train_filter(GOOD, [*CRAWL, GOOD[0]], seed=1)


def test_the_top_share() -> None:
    scores = np.array([0.1, 0.9, 0.5, 0.5, 0.7])
    assert [int((scores >= top_share_threshold(scores, share)).sum()) for share in (0.2, 0.4, 0.6, 1)] == [1, 2, 4, 5]
    for share in (0, -1, 1.1, float("nan")):
        with pytest.raises(UserError, match="above 0 and at most 1"):
            top_share_threshold(scores, share)
    with pytest.raises(UserError, match="no scores"):
        top_share_threshold([], 0.5)


def test_the_threshold_is_what_the_share_of_held_out_crawl_reaches() -> None:
    for keep in (0.1, 0.5, 1):
        heldout = train_filter(GOOD, CRAWL, seed=3, keep=keep).heldout
        assert heldout.crawl_kept == pytest.approx(keep)
        assert heldout.good_kept > 0.9
    with pytest.raises(UserError, match="above 0 and at most 1"):
        train_filter(GOOD, CRAWL, seed=3, keep=0)


def test_gpt_3s_dice_are_a_pareto_variate() -> None:
    keys = [f"text-{number}" for number in range(20_000)]
    for score, alpha in ((0.95, 9), (0.5, 9), (0.0, 9), (0.5, 2)):
        kept = np.mean([keep_pareto(score, key, seed=1, alpha=alpha) for key in keys])
        assert kept == pytest.approx((2 - score) ** -alpha, abs=0.01)  # P(X > x) = (1 + x)^-alpha
    assert [keep_pareto(0.9, key, 1) for key in keys[:99]] != [keep_pareto(0.9, key, 2) for key in keys[:99]]


@given(st.lists(st.text(), max_size=4))
def test_features_are_unit_rows_of_buckets(texts: list[str]) -> None:
    rows = features(texts)
    assert len(rows) == len(texts)
    assert ((rows.buckets >= 0) & (rows.buckets < BUCKETS)).all()
    lengths = np.sqrt(np.bincount(rows.owners(), rows.values**2, len(rows)))
    assert np.allclose(lengths, [bool(text.strip()) for text in texts])
    order = np.arange(len(texts))[::-1]
    turned, expected = rows.rows(order), features(texts[::-1])
    assert (turned.buckets == expected.buckets).all()
    assert (turned.ends == expected.ends).all()


def test_features_are_the_same_in_every_process() -> None:
    assert features(["The swan, the river."]).buckets.tolist() == [
        *(10415, 12839, 13824, 76525, 88543),
        *(93796, 95292, 186714, 207846, 228190),
    ]
