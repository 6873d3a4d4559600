"""The decoder says what the model says, whoever else is in the batch, and its tool's words are not the model's."""

import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from pretended_gpu import pretended_gpu

from cygnet.errors import ContextError, UserError
from cygnet.generation import Completion, Engine, Sampling
from cygnet.generation.cache import Cache
from cygnet.generation.constraint import Constraint
from cygnet.model.transformer import Transformer
from cygnet.tokens.tokenizer import SPECIAL_TOKENS, Tokenizer

END, PYTHON = SPECIAL_TOKENS.index("<|end|>"), SPECIAL_TOKENS.index("<|python|>")
PROMPTS = [[1, 20, 30], [1], [1, *range(40, 60)], [1, 9, 9, 9, 9, 9, 9], [1, 21, 30]]
SAMPLING = Sampling(max_new_tokens=20, seed=4)


@pytest.fixture
def engine(build, tokenizer: Tokenizer) -> Engine:
    """In float64: rounding, which depends on how many rows there are and on the processor, must not decide a draw."""
    return Engine(build().double(), tokenizer)


class Script(torch.nn.Module):
    """A model that writes what it is told to, whatever it reads: the token after place p is `tokens[p]`."""

    def __init__(self, model: Transformer, tokens: Sequence[int]) -> None:
        super().__init__()
        self.config, self.compute_dtype, self.tokens = model.config, torch.float32, list(tokens)

    def features(self, tokens: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor, cache: Cache) -> torch.Tensor:
        following = torch.tensor([*self.tokens, *[0] * self.config.context_length])[positions]
        return 50.0 * F.one_hot(following, self.config.vocab_size).float()

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        return features


@pytest.fixture
def scripted(build, tokenizer: Tokenizer):
    """Completions of the prompt [bos] by a model that writes `ids`."""

    def complete(ids: Sequence[int], sampling: Sampling = SAMPLING, **engine) -> Completion:
        return Engine(Script(build(), ids), tokenizer, **engine).generate([[tokenizer.bos_id]], sampling)[0][0]

    return complete


def teacher_forced(model: Transformer, prompt: list[int], completion: Completion, temperature: float) -> torch.Tensor:
    """Log-probabilities of the completion's tokens by one plain forward, without cache or batch."""
    ids = [*prompt, *completion.tokens]
    with torch.no_grad():
        logprobs = (model(torch.tensor([ids[:-1]]))[0] / temperature).log_softmax(-1)
    return logprobs[len(prompt) - 1 :].gather(1, torch.tensor(completion.tokens)[:, None])[:, 0]


@pytest.mark.parametrize("shape", [{}, {"heads": 4, "kv_heads": 2, "head_width": 16}])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probabilities_are_those_of_the_training_forward(
    build, tokenizer: Tokenizer, shape: dict[str, int], temperature: float
) -> None:
    model = build(**shape)
    model.compute_dtype = torch.bfloat16  # decoding is in float32 whatever training is in
    found = Engine(model, tokenizer).generate(PROMPTS, replace(SAMPLING, temperature=temperature), n=3)
    assert model.compute_dtype == torch.bfloat16
    model.compute_dtype = torch.float32
    for prompt, completions in zip(PROMPTS, found, strict=True):
        assert len(completions) == 3
        for completion in completions:
            assert all(completion.sampled)
            expected = teacher_forced(model, prompt, completion, temperature)
            torch.testing.assert_close(torch.tensor(completion.logprobs), expected, rtol=1e-5, atol=1e-5)


def test_a_completion_does_not_depend_on_its_batch_mates(engine: Engine) -> None:
    together = engine.generate(PROMPTS, SAMPLING, n=2)
    for count in range(1, len(PROMPTS)):
        fewer = engine.generate(PROMPTS[:count], SAMPLING, n=2)
        assert [[c.tokens for c in row] for row in fewer] == [[c.tokens for c in row] for row in together[:count]]
    alone = engine.generate(PROMPTS[:1], SAMPLING)[0][0]
    assert alone.tokens == together[0][0].tokens
    assert alone.logprobs == pytest.approx(together[0][0].logprobs, abs=1e-5)


def test_the_order_of_prompts_does_not_matter_to_the_likeliest_answer(engine: Engine) -> None:
    greedy = replace(SAMPLING, temperature=0.0)
    forward = engine.generate(PROMPTS, greedy)
    backward = engine.generate(PROMPTS[::-1], greedy)[::-1]
    assert [row[0].tokens for row in forward] == [row[0].tokens for row in backward]


def test_greedy_takes_the_likeliest_token_every_time(engine: Engine) -> None:
    prompt = PROMPTS[2]
    (completion,) = engine.generate([prompt], replace(SAMPLING, temperature=0.0))[0]
    with torch.no_grad():
        logits = engine.model(torch.tensor([[*prompt, *completion.tokens]]))[0]
    assert logits.argmax(-1)[len(prompt) - 1 : -1].tolist() == completion.tokens


def test_samples_of_a_prompt_differ_and_come_back_with_the_seed(engine: Engine) -> None:
    samples = [completion.tokens for completion in engine.generate(PROMPTS[:1], SAMPLING, n=8)[0]]
    assert len({tuple(tokens) for tokens in samples}) == 8
    assert [completion.tokens for completion in engine.generate(PROMPTS[:1], SAMPLING, n=8)[0]] == samples
    others = engine.generate(PROMPTS[:1], replace(SAMPLING, seed=5), n=8)[0]
    assert not {tuple(tokens) for tokens in samples} & {tuple(completion.tokens) for completion in others}


def test_samples_share_one_reading_of_their_prompt(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[int, ...]] = []
    features = engine.model.features

    def watched(tokens: torch.Tensor, *rest) -> torch.Tensor:
        read.append(tuple(tokens.shape))
        return features(tokens, *rest)

    monkeypatch.setattr(engine.model, "features", watched)
    engine.generate([PROMPTS[2], PROMPTS[0]], replace(SAMPLING, max_new_tokens=2), n=5)
    assert read == [(2, len(PROMPTS[2]) - 1), (10, 1), (10, 1)]  # the last token of a prompt is read by each sample


def test_many_prompts_go_in_several_batches(engine: Engine) -> None:
    prompts = [[1, 20 + i % 200] for i in range(300)]
    found = engine.generate(prompts, Sampling(temperature=0.0, max_new_tokens=3))
    for prompt, (completion,) in list(zip(prompts, found, strict=True))[::37]:
        with torch.no_grad():
            assert engine.model(torch.tensor([prompt]))[0, -1].argmax() == completion.tokens[0]


def test_streaming_gives_the_same_tokens(engine: Engine) -> None:
    (completion,) = engine.generate(PROMPTS[2:3], SAMPLING)[0]
    assert list(engine.stream(PROMPTS[2], SAMPLING)) == completion.tokens


def test_the_end_of_turn_is_part_of_the_answer_and_ends_it(scripted, tokenizer: Tokenizer) -> None:
    text = tokenizer.encode("a swan")
    completion = scripted([*text, tokenizer.end_id, *text])
    assert completion.tokens == [*text, tokenizer.end_id]
    assert completion.finish_reason == "stop"
    assert len(completion.logprobs) == len(completion.sampled) == len(completion.tokens)


def test_an_answer_cut_short_has_no_end_of_turn(scripted, tokenizer: Tokenizer) -> None:
    text = tokenizer.encode("a long, long, long swan")
    completion = scripted([*text, tokenizer.end_id], replace(SAMPLING, max_new_tokens=5))
    assert completion.tokens == text[:5]
    assert completion.finish_reason == "length"
    assert tokenizer.end_id not in completion.tokens
    assert scripted([*text, tokenizer.end_id], replace(SAMPLING, max_new_tokens=len(text))).finish_reason == "length"
    assert scripted([*text, tokenizer.end_id], replace(SAMPLING, max_new_tokens=len(text) + 1)).finish_reason == "stop"


def test_a_full_context_cuts_an_answer_short(engine: Engine) -> None:
    prompts = [[1] * 60, [1] * 63, [1] * 10]
    for prompt, (completion,) in zip(
        prompts, engine.generate(prompts, replace(SAMPLING, max_new_tokens=40)), strict=True
    ):
        if completion.finish_reason == "length":
            assert len(completion.tokens) == min(40, 64 - len(prompt))
        expected = teacher_forced(engine.model, prompt, completion, 1.0)
        torch.testing.assert_close(torch.tensor(completion.logprobs), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("prompt", [[], [1] * 64, [1] * 100])
def test_a_prompt_without_room_for_an_answer_is_refused(engine: Engine, prompt: list[int]) -> None:
    message = rf"the prompt has {len(prompt)} tokens; it must have between 1 and 63 for this model"
    with pytest.raises(ContextError if prompt else UserError, match=message):
        engine.generate([PROMPTS[0], prompt], SAMPLING)
    with pytest.raises(UserError, match=message):
        next(engine.stream(prompt, SAMPLING))


@pytest.mark.parametrize(
    ("text", "stop", "kept"),
    [
        ("one\n\nQ: two", ("\n\nQ:",), "one"),
        ("one swan, two swans", (", two",), "one swan"),
        ("one swan", ("wan",), "one "),  # begins in the middle of a token, which is dropped whole
        ("one two three", ("three", "two"), "one "),
        ("🦢 and 🦆", ("🦆",), "🦢 and "),
        ("a swan at once", ("a",), ""),
    ],
)
def test_a_stop_string_ends_the_answer_and_is_left_out(
    scripted, tokenizer: Tokenizer, text: str, stop: tuple[str, ...], kept: str
) -> None:
    completion = scripted([*tokenizer.encode(text), *tokenizer.encode(" and more")], replace(SAMPLING, stop=stop))
    assert completion.finish_reason == "stop"
    found = tokenizer.decode(completion.tokens)
    assert kept.startswith(found)
    assert len(tokenizer.encode(kept)) - len(completion.tokens) <= 1
    assert len(completion.logprobs) == len(completion.sampled) == len(completion.tokens)


def test_without_the_stop_string_an_answer_goes_on(scripted, tokenizer: Tokenizer) -> None:
    ids = [*tokenizer.encode("a swan"), tokenizer.end_id]
    assert scripted(ids, replace(SAMPLING, stop=("goose",))).tokens == ids


def tool_talk(tokenizer: Tokenizer, code: str, result: str) -> tuple[list[int], list[int], list[int]]:
    """What the assistant asks, what the tool answers up to the assistant's next turn, and what the assistant says."""
    ask = [tokenizer.id_of("<|python|>"), *tokenizer.encode(code), tokenizer.end_id]
    told = [tokenizer.id_of("<|tool|>"), *tokenizer.encode(result), tokenizer.end_id, tokenizer.id_of("<|assistant|>")]
    return ask, told, [*tokenizer.encode("so " + result), tokenizer.end_id]


@pytest.mark.parametrize(("code", "result"), [("2*3", "6"), ("2/0", "error: division by zero")])
def test_a_tool_is_called_and_its_words_are_not_the_models(
    scripted, tokenizer: Tokenizer, code: str, result: str
) -> None:
    ask, told, say = tool_talk(tokenizer, code, result)
    nothing = [5] * len(told)  # what the model would write in the tool's place is not asked for
    completion = scripted([*ask, *nothing, *say], replace(SAMPLING, max_new_tokens=60))
    assert completion.tokens == [*ask, *told, *say]
    assert completion.sampled == [True] * len(ask) + [False] * len(told) + [True] * len(say)
    assert set(completion.logprobs[len(ask) : len(ask) + len(told)]) == {0.0}
    assert completion.finish_reason == "stop"


def test_there_are_no_alternatives_to_a_tools_words(scripted, tokenizer: Tokenizer) -> None:
    ask, told, say = tool_talk(tokenizer, "2*3", "6")
    nothing = [5] * len(told)
    completion = scripted([*ask, *nothing, *say], replace(SAMPLING, max_new_tokens=60, logprobs=2))
    assert [len(likeliest) for likeliest in completion.top] == [2] * len(ask) + [0] * len(told) + [2] * len(say)


def test_a_tool_can_be_called_again(scripted, tokenizer: Tokenizer) -> None:
    first, second = tool_talk(tokenizer, "1+1", "2"), tool_talk(tokenizer, "2+2", "4")
    ids = [*first[0], *first[1], *second[0], *second[1], *second[2]]
    completion = scripted(ids, replace(SAMPLING, max_new_tokens=60))
    assert completion.tokens == ids
    assert sum(completion.sampled) == len(first[0]) + len(second[0]) + len(second[2])


@pytest.mark.parametrize("room", range(4, 12))
def test_a_tool_call_cut_short_anywhere_has_no_fake_end(scripted, tokenizer: Tokenizer, room: int) -> None:
    ask, told, say = tool_talk(tokenizer, "2*3", "6")
    ids = [*ask, *told, *say]
    assert len(ids) > room
    completion = scripted(ids, replace(SAMPLING, max_new_tokens=room))
    assert completion.tokens == ids[:room]
    assert completion.finish_reason == "length"


def test_the_python_token_later_in_a_turn_calls_nothing(scripted, tokenizer: Tokenizer) -> None:
    ids = [*tokenizer.encode("I use "), tokenizer.id_of("<|python|>"), *tokenizer.encode("1+1"), tokenizer.end_id]
    completion = scripted(ids)
    assert completion.tokens == ids
    assert all(completion.sampled)


def test_without_a_tool_nothing_is_called(scripted, tokenizer: Tokenizer) -> None:
    ask, _, _ = tool_talk(tokenizer, "2*3", "6")
    assert scripted([*ask, 5, 5], tool=None).tokens == ask


class Caller(Transformer):
    """Likes to call the tool and to end its turns."""

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        logits = super().logits(features)
        logits[..., [END, PYTHON]] += 12.0
        return logits


def test_a_tools_words_are_read_by_the_model(build, tokenizer: Tokenizer) -> None:
    model = build(Caller)
    asked: list[str] = []

    def tool(code: str) -> str:
        asked.append(code)
        return "42"

    found = Engine(model, tokenizer, tool).generate(PROMPTS[:3], replace(SAMPLING, max_new_tokens=40), n=40)
    called = 0
    for prompt, completions in zip(PROMPTS, found, strict=False):
        for completion in completions:
            called += completion.tokens.count(tokenizer.id_of("<|tool|>"))
            mine = torch.tensor(completion.sampled)
            expected = teacher_forced(model, prompt, completion, 1.0)
            torch.testing.assert_close(torch.tensor(completion.logprobs)[mine], expected[mine], rtol=1e-5, atol=1e-5)
    assert len(asked) >= called > 20


def test_a_request_with_its_own_seed_is_answered_alike_wherever_it_stands(engine: Engine) -> None:
    samplings = [replace(SAMPLING, seed=11 + i, temperature=0.5 + 0.2 * i) for i in range(len(PROMPTS))]
    found = engine.generate(PROMPTS, samplings, n=2)
    alone = [engine.generate([prompt], [settings], n=2)[0] for prompt, settings in zip(PROMPTS, samplings, strict=True)]
    assert [[item.tokens for item in items] for items in found] == [[item.tokens for item in items] for items in alone]


def test_the_likeliest_tokens_of_every_place_are_told(engine: Engine) -> None:
    ((greedy,),) = engine.generate([PROMPTS[0]], replace(SAMPLING, temperature=0.0, logprobs=3))
    assert [len(likeliest) for likeliest in greedy.top] == [3] * len(greedy.tokens)
    assert [likeliest[0][0] for likeliest in greedy.top] == greedy.tokens
    assert [likeliest[0][1] for likeliest in greedy.top] == pytest.approx(greedy.logprobs)
    ((plain,),) = engine.generate([PROMPTS[0]], SAMPLING)
    assert plain.top == []


def test_a_repetition_penalty_without_end_never_repeats(engine: Engine) -> None:
    ((found,),) = engine.generate([PROMPTS[0]], replace(SAMPLING, temperature=0.0, repetition_penalty=1e9))
    written = [token for token in found.tokens if token != END]
    assert len(set(written)) == len(written)
    assert not set(written) & set(PROMPTS[0])


def test_a_bias_for_a_token_that_is_not_there_is_refused(engine: Engine) -> None:
    with pytest.raises(UserError, match="logit_bias names token 99999"):
        engine.generate([PROMPTS[0]], replace(SAMPLING, logit_bias={99999: 1.0}))


def answers(engine: Engine, prompts: Sequence[Sequence[int]], sampling: Sampling = SAMPLING, n: int = 1):
    return [[item.tokens for item in items] for items in engine.generate(prompts, sampling, n)]


@pytest.mark.parametrize("most", [1, 2, 3, 7])
def test_whoever_ends_makes_room_for_others(engine: Engine, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    together = answers(engine, PROMPTS, n=3)
    monkeypatch.setattr("cygnet.generation.engine._MOST_ROWS", most)
    assert answers(engine, PROMPTS, n=3) == together


@pytest.fixture
def read(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The shape of everything the model reads, from now on."""
    shapes: list[tuple[int, int]] = []
    features = engine.model.features

    def watched(tokens: torch.Tensor, *rest) -> torch.Tensor:
        shapes.append(tuple(tokens.shape))
        return features(tokens, *rest)

    monkeypatch.setattr(engine.model, "features", watched)
    return shapes


COMMON = [1, *range(20, 44)]


def test_what_all_prompts_begin_with_is_read_once(build, tokenizer: Tokenizer, engine: Engine, read) -> None:
    prompts = [[*COMMON, 50 + i, 60, 70] for i in range(6)]
    found = engine.generate(prompts, replace(SAMPLING, max_new_tokens=4))
    assert read[:3] == [(1, len(COMMON)), (6, 2), (6, 1)]
    assert [items[0].cached for items in found] == [0] + [len(COMMON)] * 5
    alone = [Engine(build(), tokenizer).generate([prompt], [SAMPLING])[0][0] for prompt in prompts]
    same = Engine(build(), tokenizer).generate(prompts, [SAMPLING] * 6)
    assert [items[0].tokens for items in same] == [item.tokens for item in alone]


def test_a_conversation_that_goes_on_is_not_read_again(engine: Engine, read) -> None:
    ((first,),) = engine.generate([COMMON], replace(SAMPLING, max_new_tokens=8))
    longer = [*COMMON, *first.tokens, 5, 6, 7]
    read.clear()
    ((second,),) = engine.generate([longer], replace(SAMPLING, max_new_tokens=1))
    assert second.cached == len(COMMON) + 7  # the last token was written, but never read
    assert read == [(1, len(longer) - 1 - second.cached), (1, 1)]


def step(model: Transformer) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
    model(torch.tensor([COMMON])).mean().backward()
    optimizer.step()


@torch.no_grad()
def change_in_place(model: Transformer) -> None:
    model.model.layers[0].self_attn.v_proj.weight.mul_(-2.0)


def replace_data(model: Transformer) -> None:
    weight = model.model.layers[0].self_attn.v_proj.weight
    weight.data = weight.data * -2.0


def replace_parameter(model: Transformer) -> None:
    layer = model.model.layers[0].self_attn.v_proj
    layer.weight = torch.nn.Parameter(layer.weight.detach() * -2.0)


@pytest.mark.parametrize("change", [step, change_in_place, replace_data, replace_parameter])
def test_other_weights_have_read_nothing(build, tokenizer: Tokenizer, engine: Engine, change) -> None:
    answers(engine, [COMMON])
    change(engine.model)
    ((found,),) = engine.generate([COMMON], SAMPLING)
    fresh = build()
    fresh.load_state_dict(engine.model.state_dict())
    assert found.cached == 0
    assert found.tokens == answers(Engine(fresh, tokenizer), [COMMON])[0][0]


def test_requests_of_other_settings_share_a_batch(engine: Engine, read) -> None:
    settings = [
        replace(SAMPLING, temperature=0.0),
        replace(SAMPLING, repetition_penalty=3.0),
        replace(SAMPLING, top_k=2, logprobs=1),
        replace(SAMPLING, logit_bias={END: -100.0}, max_new_tokens=9),
        SAMPLING,
    ]
    found = engine.generate(PROMPTS, settings)
    assert read[1] == (5, 1)
    alone = [engine.generate([prompt], [setting])[0] for prompt, setting in zip(PROMPTS, settings, strict=True)]
    assert [items[0].tokens for items in found] == [items[0].tokens for items in alone]
    assert [len(items[0].top) > 0 for items in found] == [False, False, True, False, False]


def test_streaming_holds_back_what_may_become_a_stop_string(scripted, build, tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("one\nQ two\n\nQ: three")
    sampling = replace(SAMPLING, stop=("\n\nQ:",), max_new_tokens=30)
    streamed = list(Engine(Script(build(), ids), tokenizer).stream([tokenizer.bos_id], sampling))
    assert streamed == scripted(ids, sampling).tokens
    assert tokenizer.decode(streamed) == "one\nQ two"


def test_two_streams_at_once_do_not_disturb_each_other(engine: Engine) -> None:
    first, second = PROMPTS[1], PROMPTS[2]
    pairs = zip(engine.stream(first, SAMPLING), engine.stream(second, SAMPLING), strict=False)
    together = list(pairs)
    alone = list(zip(engine.stream(first, SAMPLING), engine.stream(second, SAMPLING), strict=False))
    assert together == [*zip(answers(engine, [first])[0][0], answers(engine, [second])[0][0], strict=False)] == alone


SCHEMA = {
    "type": "object",
    "properties": {"name": {"enum": ["swan", "goose"]}, "age": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def texts(engine: Engine, sampling: Sampling, n: int = 8) -> list[str]:
    """What is written after "swan", without the end of turn."""
    (found,) = engine.generate([engine.tokenizer.encode("swan")], sampling, n)
    assert all(item.finish_reason == "stop" for item in found)
    return [engine.tokenizer.decode(token for token in item.tokens if token != END) for item in found]


def test_a_constrained_text_is_what_was_asked_for_whatever_the_model(engine: Engine) -> None:
    for text in texts(engine, replace(SAMPLING, max_new_tokens=60, constraint=Constraint.json(SCHEMA))):
        value = json.loads(text)
        assert value["name"] in {"swan", "goose"}
        assert value["age"] in range(100)
        assert text == json.dumps(value)
    chosen = texts(engine, replace(SAMPLING, constraint=Constraint.choice(["swan", "two swans", "goose"])), n=30)
    assert set(chosen) == {"swan", "two swans", "goose"}
    matched = texts(engine, replace(SAMPLING, constraint=Constraint.regex("[ab]{3,5}")))
    assert all(re.fullmatch("[ab]{3,5}", text) for text in matched)


def test_what_a_constraint_leaves_no_choice_about_is_not_the_models(engine: Engine, read) -> None:
    constraint = Constraint.json(SCHEMA)
    ((found,),) = engine.generate([[1]], replace(SAMPLING, max_new_tokens=60, constraint=constraint))
    forced = [token for token, mine in zip(found.tokens, found.sampled, strict=True) if not mine]
    assert engine.tokenizer.decode(forced).startswith('{"name": "')
    assert len(read) < len(found.tokens)
    expected = teacher_forced(engine.model, [1], found, 1.0)
    mine = torch.tensor(found.sampled)
    torch.testing.assert_close(torch.tensor(found.logprobs)[mine], expected[mine], rtol=1e-5, atol=1e-5)


def test_constraints_of_one_batch_do_not_mix(engine: Engine) -> None:
    constraints = [None, Constraint.choice(["swan"]), Constraint.regex("[0-9]{4}"), Constraint.json(SCHEMA), None]
    settings = [replace(SAMPLING, max_new_tokens=50, constraint=constraint) for constraint in constraints]
    together = engine.generate(PROMPTS, settings, n=2)
    alone = [engine.generate([prompt], [item], n=2)[0] for prompt, item in zip(PROMPTS, settings, strict=True)]
    assert [[item.tokens for item in items] for items in together] == [[i.tokens for i in items] for items in alone]
    assert engine.tokenizer.decode(together[1][0].tokens) == "swan"


def test_a_constraint_that_runs_out_of_tokens_says_so(engine: Engine) -> None:
    for room in range(1, 12):
        ((found,),) = engine.generate([[1]], replace(SAMPLING, max_new_tokens=room, constraint=Constraint.json(SCHEMA)))
        assert len(found.tokens) == room
        assert found.finish_reason == "length"
    ((whole,),) = engine.generate([[1]], replace(SAMPLING, max_new_tokens=4, constraint=Constraint.choice(["swan"])))
    assert whole.finish_reason == "stop"
    assert list(engine.stream([1], replace(SAMPLING, constraint=Constraint.choice(["swan"])))) == whole.tokens


def test_thinking_freely_comes_before_the_constraint(scripted, tokenizer: Tokenizer) -> None:
    thought = tokenizer.encode("What is it? It is 2. Answer:")
    sampling = replace(SAMPLING, max_new_tokens=60, constraint=Constraint.choice([" swan"], after="Answer:"))
    completion = scripted([*thought, *tokenizer.encode("no swan")], sampling)
    assert tokenizer.decode(completion.tokens) == "What is it? It is 2. Answer: swan"
    assert completion.sampled[: len(thought)] == [True] * len(thought)


def test_threads_may_ask_the_same_engine(engine: Engine) -> None:
    expected = [answers(engine, [prompt])[0] for prompt in PROMPTS]
    with ThreadPoolExecutor(5) as pool:
        found = list(pool.map(lambda prompt: answers(engine, [prompt])[0], PROMPTS * 4))
    assert found == expected * 4


def test_a_cache_that_served_many_does_not_grow_without_bound(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    config = engine.model.config
    a_place = 2 * config.layers * config.kv_heads * config.head_width
    monkeypatch.setattr("cygnet.generation.engine._CACHED_NUMBERS", 130 * a_place)
    wide = answers(engine, [[1, 20 + i] for i in range(40)], replace(SAMPLING, max_new_tokens=1))
    long = answers(engine, [[1] * 40], replace(SAMPLING, max_new_tokens=20))
    (cache,) = engine._spare
    assert cache.numbers(0, 0) <= 130 * a_place
    monkeypatch.undo()
    assert wide == answers(engine, [[1, 20 + i] for i in range(40)], replace(SAMPLING, max_new_tokens=1))
    assert long == answers(engine, [[1] * 40], replace(SAMPLING, max_new_tokens=20))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("temperature", value) for value in (-1.0, 1e-300, float("nan"))],
        *[("max_new_tokens", 0), ("top_k", -1), ("top_p", 0.0), ("min_p", 1.5), ("repetition_penalty", 0.0)],
        *[("stop", ("",)), ("seed", -1), ("logprobs", -1)],
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(engine: Engine, name: str, value: object) -> None:
    with pytest.raises(UserError, match=f"{name} is"):
        engine.generate([[1]], replace(SAMPLING, **{name: value}))


def test_a_long_prompt_is_read_in_parts(engine: Engine, read, monkeypatch: pytest.MonkeyPatch) -> None:
    long = [1, *range(20, 60)]
    whole = answers(engine, [long, long[:30]], replace(SAMPLING, max_new_tokens=5))
    engine._prefixes.clear()
    read.clear()
    monkeypatch.setattr("cygnet.generation.batch._READ_OF_ONE", 7)
    assert answers(engine, [long, long[:30]], replace(SAMPLING, max_new_tokens=5)) == whole
    assert max(length for _, length in read) == 7


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 0.0, "logprobs": 2},
        {"top_k": 20, "top_p": 0.9, "min_p": 0.001},
        {"repetition_penalty": 1.3, "logit_bias": {30: 2.0}},
        {"constraint": Constraint.regex("[ab]{3,5}")},
    ],
)
def test_a_gpu_decodes_as_the_cpu_does(build, tokenizer: Tokenizer, settings: dict[str, object]) -> None:
    """A pretended one, on which mixing devices is an error; it is waited for when tokens are read."""
    sampling = replace(SAMPLING, max_new_tokens=8, **settings)
    here = Engine(build(), tokenizer).generate(PROMPTS, sampling, n=2)
    with pretended_gpu() as gpu:
        engine = Engine(build().to("cuda:0"), tokenizer)
        gpu.waits.clear()
        assert engine.generate(PROMPTS, sampling, n=2) == here
    assert "generation/cache.py:reading" not in gpu.waits
