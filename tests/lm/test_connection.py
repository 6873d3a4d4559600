import email.utils
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.errors import ContextError
from cygnet.lm.connection import Connection, DeadEndpointError, RefusedError, TooLongError, _lines


@given(st.binary(), st.lists(st.integers(0, 100)))
def test_lines_do_not_depend_on_where_chunks_end(data: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    chunks = [data[a:b] for a, b in pairwise(places)]
    assert list(_lines(iter(chunks))) == data.split(b"\n")


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "two swans", "code": 3}},
        {"error": "two swans"},
        {"detail": "two swans"},
        {"message": "two swans"},
        b"two swans",
    ],
)
def test_the_servers_words_are_found_in_every_form(server: Any, body: Any) -> None:
    server.answer = lambda path, _: (404, body, {})
    connection = Connection(server.url, None, 30, 1)
    with pytest.raises(RefusedError, match="status 404: two swans Check"):
        connection.post("/completions", {})
    connection.close()


def test_long_words_are_cut(server: Any) -> None:
    server.answer = lambda path, _: (404, b"swan " * 10_000, {})
    connection = Connection(server.url, None, 30, 1)
    with pytest.raises(RefusedError) as failure:
        connection.post("/completions", {})
    assert len(str(failure.value)) < 1000
    connection.close()


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Please reduce the length of the messages.", "code": "context_length_exceeded"},
        {"message": "This model's maximum context length is 4096 tokens. However, you requested 4118 tokens."},
        {"message": "the request exceeds the available context size, try increasing it"},
        {"message": "The input (5000 tokens) is longer than the model's context length (4096 tokens)."},
        {"message": "the input length exceeds the context length"},
        {"message": "prompt is too long: 205000 tokens > 200000 maximum"},
        {"message": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."},
        {"message": "the prompt has 100 tokens; it must have between 1 and 63 for this model, whose maximum context "
         "length is 64."},
    ],
)  # fmt: skip
def test_a_prompt_that_is_too_long_is_told_from_other_refusals(server: Any, error: dict[str, str]) -> None:
    server.answer = lambda path, _: (400, {"error": error}, {})
    connection = Connection(server.url, None, 30, 1)
    with pytest.raises(TooLongError, match="refused the request as too long") as failure:
        connection.post("/completions", {})
    assert isinstance(failure.value, ContextError)
    assert error["message"] in str(failure.value)
    connection.close()


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "maximum context length"), (400, "unknown parameter: context_length"), (400, "no context window is set")],
)
def test_a_refusal_that_speaks_of_context_is_not_yet_one_for_length(server: Any, status: int, words: str) -> None:
    server.answer = lambda path, _: (status, {"error": {"message": words}}, {})
    connection = Connection(server.url, None, 30, 1)
    with pytest.raises(RefusedError, match=words) as failure:
        connection.post("/completions", {})
    assert not isinstance(failure.value, ContextError)
    connection.close()


def test_a_date_to_wait_for_is_heeded(server: Any, waits: list[float]) -> None:
    later = email.utils.format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    left = [(429, {}, {"retry-after": later}), (429, {}, {"retry-after": "soon"})]
    server.answer = lambda path, _: left.pop() if left else {"swans": 2}
    connection = Connection(server.url, None, 30, 1)
    assert connection.post("/completions", {}) == {"swans": 2}
    assert waits[0] < 1  # nobody can read "soon"
    assert 30 < waits[1] <= 60
    connection.close()


def test_where_nobody_listens_is_told(server: Any, waits: list[float]) -> None:
    server.shutdown()
    server.server_close()
    connection = Connection(server.url, None, 30, 1)
    with pytest.raises(
        DeadEndpointError, match=f"{server.url} failed in each of 6 attempts, at last with ConnectError"
    ):
        connection.get("/models")
    assert len(waits) == 5
    connection.close()


def test_a_stream_that_is_refused_says_why_before_its_first_event(server: Any) -> None:
    server.answer = lambda path, _: (400, {"error": "no streams"}, {})
    connection = Connection(server.url, None, 30, 1)
    with pytest.raises(RefusedError, match="no streams"), connection.events("/completions", {}):
        pass
    connection.close()
