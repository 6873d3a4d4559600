import math

import pytest

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lm.base import Reply, Token
from cygnet.techniques.base import Answer, run_programs
from cygnet.techniques.search import Odds, Verdicts


def value_of(lm, evaluator, state: str) -> float:
    def program():
        value = yield from evaluator(state)
        return Answer(value, "")

    return run_programs(lm, [program()])[0].value


def one_token(text: str, **likeliest: float) -> Reply:
    top = tuple((word.replace("_", " "), math.log(share)) for word, share in likeliest.items())
    return Reply(text, "length", tokens=(Token(text, dict(top).get(text, math.log(0.01)), top),))


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        (one_token(" yes", _yes=0.6, _no=0.2), 0.75),
        (one_token("No", Yes=0.1, yes=0.2, No=0.3, _maybe=0.4), 0.5),
        (one_token("y", y=0.3, n=0.1), 0.75),
        (one_token("perhaps", perhaps=0.9, maybe=0.1), 0.5),
        (one_token("no", perhaps=0.9), 0.0),
        (one_token("yes", nope=0.5), 1.0),
        (Reply("", "stop"), 0.5),
    ],
)
def test_odds_are_the_share_of_yes_among_yes_and_no(scripted, reply, value) -> None:
    lm = scripted(lambda prompt, seed: reply)
    assert value_of(lm, Odds(lambda state: f"is {state} good?"), "it") == pytest.approx(value)
    assert lm.prompts == ["is it good?"]
    assert (lm.samplings[0].max_new_tokens, lm.samplings[0].logprobs, lm.samplings[0].temperature) == (1, 20, 1.0)


def test_a_token_that_begins_both_words_counts_for_neither(scripted) -> None:
    lm = scripted(lambda prompt, seed: one_token("un", un=0.9, unlikely=0.06, unsure=0.02))
    odds = Odds(str, yes="unlikely", no="unsure")
    assert value_of(lm, odds, "it") == pytest.approx(0.75)


def test_odds_need_a_model_that_tells_them(scripted) -> None:
    with pytest.raises(UserError, match="Verdicts"):
        value_of(scripted(lambda prompt, seed: "yes"), Odds(str), "it")


def test_verdicts_are_the_mean_worth_of_the_last_words_named(scripted) -> None:
    said = ["sure", "10 + 14 is not impossible, so: likely", "no idea"]
    lm = scripted(lambda prompt, seed: said[seed % 3])
    assert value_of(lm, Verdicts(str), "it") == pytest.approx((1 + 0.05 + 0) / 3)
    assert lm.calls == 1


def test_verdicts_in_words_of_ones_own(scripted) -> None:
    lm = scripted(lambda prompt, seed: "I give it: Good")
    assert value_of(lm, Verdicts(str, {"good": 0.9, "bad": 0.2}, 1, Sampling(temperature=0)), "it") == 0.9
    with pytest.raises(UserError, match="0 verdicts"):
        Verdicts(str, samples=0)
