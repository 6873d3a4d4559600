import pytest

from cygnet import Sampling
from cygnet.errors import ContextError
from cygnet.lm import LocalModel
from cygnet.lm.talk import Talk

SAMPLING = Sampling(max_new_tokens=6, seed=1)


def test_what_was_said_is_remembered(build, tokenizer) -> None:
    model = LocalModel(build(), tokenizer)
    talk = Talk(model, SAMPLING, "Be brief.")
    system = {"role": "system", "content": "Be brief."}
    said = [system, {"role": "user", "content": "A"}]
    first = "".join(talk.reply("A"))
    assert first == "".join(model.stream(said, Sampling(max_new_tokens=6, seed=2)))
    said += [{"role": "assistant", "content": first}, {"role": "user", "content": "B"}]
    assert "".join(talk.reply("B")) == "".join(model.stream(said, Sampling(max_new_tokens=6, seed=3)))
    talk.start_over()
    again = [system, {"role": "user", "content": "A"}]
    assert "".join(talk.reply("A")) == "".join(model.stream(again, Sampling(max_new_tokens=6, seed=4)))


def test_what_is_not_answered_to_its_end_is_forgotten(build, tokenizer) -> None:
    model = LocalModel(build(), tokenizer)
    talk = Talk(model, SAMPLING)
    with pytest.raises(ContextError, match="longer than this model's context"):
        list(talk.reply("swan " * 100))
    stopped = talk.reply("A")
    next(stopped)
    stopped.close()
    wanted = model.stream([{"role": "user", "content": "B"}], Sampling(max_new_tokens=6, seed=4))
    assert "".join(talk.reply("B")) == "".join(wanted)
