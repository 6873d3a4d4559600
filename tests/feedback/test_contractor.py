import statistics
from itertools import islice

import pytest

from cygnet.corpus.tasks import Exercise, bare_reply, exercises, worked_reply
from cygnet.feedback.contractor import Contractor
from cygnet.feedback.rubric import judge

SUM = Exercise("addition", "addition 47 35", "What is 47 + 35?", "82", ("ones: 7 + 5 = 12", "tens: 4 + 3 + 1 = 8"))
ANSWERS = [("Answer: 81", True), (worked_reply(SUM), True), ("Answer: 82", True), (worked_reply(SUM), True)]


def test_without_noise_answers_rank_by_the_rubric_and_equals_share_a_rank() -> None:
    ranks, scores = Contractor(noise=0.0, seed=1).rank(SUM, ANSWERS)
    assert ranks == [4, 1, 3, 1]
    assert scores == pytest.approx([judge(SUM, *answer).total for answer in ANSWERS], abs=1e-6)
    ranks, _ = Contractor(noise=0.0, seed=1).rank(SUM, [(worked_reply(SUM), False), (worked_reply(SUM), True)])
    assert ranks == [2, 1]


def test_the_same_answer_gets_the_same_score_whatever_stands_beside_it() -> None:
    contractor = Contractor(noise=0.3, seed=1)
    ranks, scores = contractor.rank(SUM, ANSWERS)
    assert scores[1] == scores[3]
    assert ranks[1] == ranks[3]
    assert contractor.rank(SUM, ANSWERS[1:2])[1] == scores[1:2]
    assert Contractor(noise=0.3, seed=1).rank(SUM, ANSWERS) == (ranks, scores)
    assert Contractor(noise=0.3, seed=2).rank(SUM, ANSWERS)[1] != scores


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_the_error_has_the_stated_deviation(noise: float) -> None:
    contractor = Contractor(noise, seed=1)
    errors = []
    for exercise in islice(exercises("train", 1), 2_000):
        (score,) = contractor.rank(exercise, [(bare_reply(exercise), True)])[1]
        errors.append(score - judge(exercise, bare_reply(exercise)).total)
    assert statistics.fmean(errors) == pytest.approx(0, abs=4 * noise / 2_000**0.5)
    assert statistics.stdev(errors) == pytest.approx(noise, rel=0.1)


def test_ranks_follow_the_scores() -> None:
    ranks, scores = Contractor(noise=0.3, seed=3).rank(SUM, [(f"Answer: {n}", True) for n in range(6)])
    assert sorted(ranks) == [1, 2, 3, 4, 5, 6]
    assert [rank for _, rank in sorted(zip(scores, ranks, strict=True), reverse=True)] == [1, 2, 3, 4, 5, 6]
