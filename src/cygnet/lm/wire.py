"""OpenAI's requests and answers, to and from ours. What is sent and read here is all of the protocol that is used.

Fields: platform.openai.com/docs/api-reference. Those of other servers: `top_k`, `min_p` and `repetition_penalty` of
vLLM; llama.cpp calls the last `repeat_penalty`.
"""

import codecs
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from cygnet.errors import UserError
from cygnet.generation.constraint import Constraint
from cygnet.generation.request import FinishReason, Sampling
from cygnet.lm.base import Prompt, Reply, Token, Usage
from cygnet.lm.ledger import FREE, Prices
from cygnet.tokens.chat import Message, read_messages

CHAT, TEXT = "/chat/completions", "/completions"
SCORING = "Scoring needs a server whose /completions takes `echo` with `logprobs`, as vLLM's does."
# A text that ended otherwise (a filter, an abort) was cut off, like one that ran out of tokens.
_ENDED = {"stop", "tool_calls", "function_call"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """One request, without the number of answers, and how its answer is read.

    top: how many likeliest tokens are kept in each place; None: no tokens at all. prompt: if given, the answer is an
    echo of this and what is scored after it.
    """

    path: str
    body: Json
    top: int | None
    prompt: str | None = None

    @property
    def key(self) -> Json:
        """What makes the replies what they are, but for the number of the sample."""
        return {"path": self.path, "top": self.top, "scored_after": self.prompt, **self.body}

    def asked(self, samples: Sequence[int]) -> Json:
        """The body that asks for these samples.

        Sample 0 has the question's own seed. Others have seeds of their own, so a request for what another one left
        out does not get the same again.
        """
        body = self.body if len(samples) == 1 else {**self.body, "n": len(samples)}
        if samples[0] == 0:
            return body
        digest = blake2b(repr((body["seed"], samples[0])).encode(), digest_size=4).digest()
        return {**body, "seed": int.from_bytes(digest) >> 1}  # below 2**31, which every server takes


def question(model: str, prompt: Prompt, sampling: Sampling) -> Question:
    """The request for a continuation of a text, or for an answer to messages.

    What a server lets nobody set is at the server's own default: of top_k, min_p and repetition_penalty only what is
    not at ours is sent, since hosted services refuse fields they don't know.
    """
    body: Json = {
        "model": model,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_new_tokens,
        "seed": sampling.seed,
    }
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.logit_bias:
        body["logit_bias"] = {str(token): bias for token, bias in sampling.logit_bias.items()}
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    if sampling.min_p:
        body["min_p"] = sampling.min_p
    if sampling.repetition_penalty != 1.0:
        body |= {"repetition_penalty": sampling.repetition_penalty, "repeat_penalty": sampling.repetition_penalty}
    if sampling.constraint is not None:
        body["response_format"] = _response_format(sampling.constraint)
    if isinstance(prompt, str):
        return Question(TEXT, {**body, "prompt": prompt, **_logprobs_of_text(sampling.logprobs)}, sampling.logprobs)
    return Question(
        CHAT, {**body, "messages": _messages(prompt), **_logprobs_of_chat(sampling.logprobs)}, sampling.logprobs
    )


def scoring_question(model: str, prompt: str, continuation: str, top: int = 0) -> Question:
    """The request for the log-probabilities of a continuation. Some servers must write: one token more is asked."""
    body = {
        "model": model,
        "prompt": prompt + continuation,
        "max_tokens": 1,
        "echo": True,
        "temperature": 1.0,
        **_logprobs_of_text(top),
    }
    return Question(TEXT, body, top, prompt)


def read_replies(asked: Question, answer: Json) -> list[Reply]:
    """The replies in an answer, without usage. Raises UserError when it has another form than OpenAI's."""
    try:
        return [_reply(asked, choice) for choice in answer["choices"]]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"the endpoint's answer to {asked.path} is {_strange(answer)}") from error


def streamed_reply(asked: Question, text: str, choices: Sequence[Json], usage: Usage) -> Reply:
    """The whole reply of a stream, out of the choices in its events. Raises UserError like `read_replies`."""
    ends = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    finish: FinishReason = "stop" if ends and ends[-1] in _ENDED else "length"
    if asked.top is None:
        return Reply(text, finish, usage)
    told = [choice for choice in choices if choice.get("logprobs")] or [Json()]  # without any: told as always
    try:
        tokens = tuple(token for choice in told for token in _tokens(choice, asked.top))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"the endpoint's answer to {asked.path} is {_strange(told[0])}") from error
    return Reply(text, finish, usage, tokens)


def read_usage(answer: Json, prices: Prices, seconds: float) -> Usage:
    """What an answer took, by the server's count. Without one it is nothing; with prices that raises UserError."""
    counts = answer.get("usage") or {}
    if not counts and prices != FREE:
        raise UserError("the endpoint doesn't say how many tokens it used, so the cost is unknown: set no prices.")
    try:
        prompt, completion = int(counts.get("prompt_tokens") or 0), int(counts.get("completion_tokens") or 0)
        cached = int((counts.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise UserError(f"the endpoint's count of tokens is {str(counts)[:200]}, not in OpenAI's form.") from error
    return Usage(prompt, completion, cached, seconds, prices.cost(prompt, cached, completion), 1)


def split_usage(usage: Usage, prices: Prices, replies: int) -> list[Usage]:
    """A part for each reply; they add up to the whole. Servers tell the sum alone, so what was written is shared
    evenly; what was read is the first one's."""
    parts = []
    for index in range(replies):
        written = usage.completion_tokens // replies + (index < usage.completion_tokens % replies)
        prompt, cached, calls = (usage.prompt_tokens, usage.cached_tokens, 1) if index == 0 else (0, 0, 0)
        cost = prices.cost(prompt, cached, written)
        parts.append(Usage(prompt, written, cached, usage.seconds / replies, cost, calls))
    return parts


def pieces(events: Iterable[Json]) -> Iterator[str]:
    """The text in the events of a stream. A character whose UTF-16 halves come apart is put together."""
    decoder = codecs.getincrementaldecoder("utf-16-le")("replace")
    for event in events:
        try:
            texts = [(choice.get("delta") or choice).get(_FIELD["delta" in choice]) for choice in event["choices"]]
        except (LookupError, TypeError, AttributeError) as error:
            raise UserError(f"the endpoint streamed an event {_strange(event)}") from error
        for text in texts:
            if text and (piece := decoder.decode(text.encode("utf-16-le", "surrogatepass"))):
                yield piece
    if rest := decoder.decode(b"", final=True):
        yield rest


def _response_format(constraint: Constraint) -> Json:
    """A constraint in the one form that endpoints share; others would be ignored by some of them without a word."""
    beyond = {constraint.kind: constraint.kind != "json", "after": constraint.after, "lead": constraint.lead}
    if refused := [name for name, there in beyond.items() if there]:
        raise UserError(
            f"an endpoint can be held to a JSON schema from the first token on, not to {refused[0]!r} of a constraint: "
            "use Constraint.json alone, or a model on this machine."
        )
    schema = {"name": "answer", "strict": True, "schema": json.loads(constraint.source)}
    return {"type": "json_schema", "json_schema": schema}


_FIELD = {True: "content", False: "text"}


def _strange(value: Json) -> str:
    # Its fields alone: a server may repeat the key in their values.
    return f"not in OpenAI's form. Its fields: {', '.join(value)[:300]}. Check the address."


def _logprobs_of_text(top: int | None) -> Json:
    # Servers that take 0 for "none" give those of the chosen tokens when asked for one alternative.
    return {} if top is None else {"logprobs": max(1, top)}


def _logprobs_of_chat(top: int | None) -> Json:
    return {} if top is None else {"logprobs": True, "top_logprobs": max(1, top)}


def _messages(messages: Sequence[Message]) -> list[Message]:
    """Ours as OpenAI's: a call has an id, its arguments are JSON in a string, and the tool's answer names the id."""
    sent: list[Message] = []
    for index, message in enumerate(read_messages(list(messages))):
        if message["role"] == "tool":
            sent.append({"tool_call_id": f"call_{index - 1}", **message})
        elif message.get("tool_calls"):
            sent.append({**message, "tool_calls": [_call(call, f"call_{index}") for call in message["tool_calls"]]})
        else:
            sent.append(message)
    return sent


def _call(call: Json, name: str) -> Json:
    arguments = json.dumps(call["function"]["arguments"], ensure_ascii=False)
    return {"id": name, **call, "function": {**call["function"], "arguments": arguments}}


def _reply(asked: Question, choice: Json) -> Reply:
    text = choice["message"].get("content") if asked.path == CHAT else choice["text"]
    finish: FinishReason = "stop" if choice.get("finish_reason") in _ENDED else "length"
    whole = "".join(pieces([{"choices": [{"text": text}]}]))
    reply = Reply(whole, finish, tokens=() if asked.top is None else _tokens(choice, asked.top))
    if asked.prompt is None:
        return reply
    scored = _scored(asked.prompt, asked.body["prompt"], reply.tokens)
    if asked.top and not all(token.top for token in scored.tokens):
        raise UserError(
            "the endpoint does not tell the likeliest tokens in a text that it is given: score without top."
        )
    return scored


def _scored(prompt: str, whole: str, tokens: tuple[Token, ...]) -> Reply:
    """What follows the prompt in the whole text, with its tokens, out of an echo of the text and one token more."""
    if tokens and math.isnan(tokens[0].logprob) and not whole.startswith(tokens[0].text):
        tokens = tokens[1:]  # a token that begins every text
    if not "".join(token.text for token in tokens).startswith(whole):
        raise UserError(f"the endpoint gives no log-probabilities of tokens that add up to the text. {SCORING}")
    own, end = [], 0
    for token in tokens:
        begin, end = end, end + len(token.text)
        if end > len(prompt) and begin < len(whole):
            own.append(token)
    if any(math.isnan(token.logprob) for token in own):
        raise UserError("the first token of a text has no probability: give a prompt that is not empty.")
    return Reply(whole.removeprefix(prompt), "stop", tokens=tuple(own))


def _tokens(choice: Json, top: int) -> tuple[Token, ...]:
    """The tokens of a choice with log-probabilities in nats, NaN for the first of a text, which has none."""
    found = choice.get("logprobs")
    if not found:
        raise UserError("log-probabilities were asked for, but the endpoint gives none: ask without them.")
    if found.get("content") is not None:  # of a chat; llama.cpp uses it for texts too
        return tuple(
            Token(
                item["token"],
                float(item["logprob"]),
                tuple((other["token"], float(other["logprob"])) for other in item["top_logprobs"][:top]),
            )
            for item in found["content"]
        )
    likeliest = found.get("top_logprobs") or [{}] * len(found["tokens"])
    return tuple(
        Token(text, float("nan") if value is None else float(value), _likeliest(others, top))
        for text, value, others in zip(found["tokens"], found["token_logprobs"], likeliest, strict=True)
    )


def _likeliest(others: dict[str, float] | None, top: int) -> tuple[tuple[str, float], ...]:
    ranked = sorted((others or {}).items(), key=lambda item: -item[1])
    return tuple((text, float(value)) for text, value in ranked[:top])
