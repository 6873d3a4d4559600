"""The routes of the server."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from cygnet.errors import UserError
from cygnet.lm.base import LanguageModel
from cygnet.server.answers import ChatAnswer, LastTurn, TextAnswer, echoed, without_scores
from cygnet.server.desk import Desk, Job, Replies
from cygnet.server.errors import ApiError, told
from cygnet.server.guard import LOOPBACK, Guard
from cygnet.server.requests import ChatRequest, Kind, TextRequest, parse

_PAGE = Path(__file__).parent / "page"
_LONGEST = 16 * 2**20  # bytes of a request


def build_app(
    model: LanguageModel, name: str | None = None, key: str | None = None, hosts: frozenset[str] | None = LOOPBACK
) -> Starlette:
    """The application that serves `model`.

    name: of the model in requests; None: its own. key: what /v1 asks for; None: nothing. hosts: names under which it
    may be called; None: any.
    """
    served = _Served(model, name or model.name)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        served.desk = Desk(model)
        try:
            yield
        finally:
            await asyncio.to_thread(served.desk.close)

    return Starlette(
        routes=[
            Route("/health", _health),
            Route("/v1/models", served.models),
            Route("/v1/models/{name:path}", served.one_model),
            Route("/v1/chat/completions", served.chat, methods=["POST"]),
            Route("/v1/completions", served.text, methods=["POST"]),
            Mount("/", StaticFiles(directory=_PAGE, html=True)),
        ],
        middleware=[Middleware(Guard, hosts=hosts, key=key)],
        exception_handlers={ApiError: _as_json, HTTPException: _as_json, Exception: _as_json},
        lifespan=lifespan,
    )


class _Served:
    """The model behind the routes."""

    desk: Desk

    def __init__(self, model: LanguageModel, name: str) -> None:
        self._model, self._name, self._since = model, name, int(time.time())

    async def models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self._card()]})

    async def one_model(self, request: Request) -> Response:
        self._check(request.path_params["name"])
        return JSONResponse(self._card())

    async def chat(self, request: Request) -> Response:
        asked = await self._read(ChatRequest, request)
        job = self._submit(asked)
        answer = ChatAnswer(self._name)
        if not asked.stream:
            return JSONResponse(answer.whole((await _result(request, job))[0]))
        return await _stream(request, job, answer, asked.stream_options.include_usage)

    async def text(self, request: Request) -> Response:
        asked = await self._read(TextRequest, request)
        answer = TextAnswer(self._name)
        if asked.stream:
            return await _stream(request, self._submit(asked), answer, asked.stream_options.include_usage)
        found: Replies = [[] for _ in asked.prompts()]
        if asked.max_tokens != 0:
            found = await _result(request, self._submit(asked))
        if asked.echo:
            scored = asked.logprobs is not None
            echoes = await _result(request, self._submit(asked, scored=True)) if scored else without_scores(asked)
            found = echoed(echoes, found)
        return JSONResponse(answer.whole([reply for several in found for reply in several]))

    async def _read(self, kind: type[Kind], request: Request) -> Kind:
        asked = parse(kind, await _body(request))
        self._check(asked.model)
        return asked

    def _submit(self, asked: ChatRequest | TextRequest, scored: bool = False) -> Job:
        try:
            job = Job(asked.prompts(), asked.sampling(), asked.n, asked.stream, scored)
        except UserError as error:
            raise told(error) from error
        self.desk.submit(job)
        return job

    def _check(self, name: str | None) -> None:
        if name not in {None, self._name}:
            raise ApiError(404, f"there is no model {name!r} here, only {self._name!r}.", "model", "model_not_found")

    def _card(self) -> dict[str, Any]:
        return {"id": self._name, "object": "model", "created": self._since, "owned_by": "cygnet"}


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _as_json(_: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        error = ApiError(error.status_code, error.detail)
    return told(error).response()


async def _body(request: Request) -> Any:
    """The JSON of a request. Raises ApiError for what is none, or too long."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > _LONGEST:
            raise ApiError(413, f"the request is longer than {_LONGEST} bytes.")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"the request's body is not valid JSON: {error}") from error


async def _news(request: Request, job: Job) -> str | Replies:
    """What comes next of a job. Cancels it and raises when the client leaves; raises ApiError when it failed."""
    left, news = asyncio.ensure_future(_left(request)), asyncio.ensure_future(job.queue.get())
    try:
        await asyncio.wait({left, news}, return_when=asyncio.FIRST_COMPLETED)
        if not news.done():
            raise ApiError(499, "the client left.")
        found = news.result()
        if isinstance(found, Exception):
            raise told(found) from found
        return found
    except BaseException:
        job.cancel()
        raise
    finally:
        left.cancel()
        news.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _result(request: Request, job: Job) -> Replies:
    found = await _news(request, job)
    assert not isinstance(found, str)
    return found


async def _stream(request: Request, job: Job, answer: ChatAnswer | TextAnswer, counted: bool) -> Response:
    """Server-sent events. What fails before the first of them is told by its status."""
    first = await _news(request, job)
    return StreamingResponse(_events(first, job, answer, counted), media_type="text/event-stream")


async def _events(
    news: str | Replies | Exception, job: Job, answer: ChatAnswer | TextAnswer, counted: bool
) -> AsyncIterator[bytes]:
    shown = LastTurn() if isinstance(answer, ChatAnswer) else None
    try:
        yield _event(answer.first())
        while isinstance(news, str):
            if piece := shown.write(news) if shown else news:
                yield _event(answer.piece(piece))
            news = await job.queue.get()
        if isinstance(news, Exception):
            yield _event(told(news).body())
            return
        ((reply,),) = news
        if shown and (rest := shown.finish()):
            yield _event(answer.piece(rest))
        yield _event(answer.last(reply))
        if counted:
            yield _event(answer.count(reply))
        yield b"data: [DONE]\n\n"
    finally:
        job.cancel()


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"
