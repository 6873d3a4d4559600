"""Who may ask: not pages of other sites, not names that pretend to be this machine, not callers without the key.

A browser sends requests to this machine for any page it has open. Pages of other origins are told by `Origin`; a site
that has its own name point at this machine (DNS rebinding) is told by `Host`.
"""

import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cygnet.server.errors import ApiError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_HEADERS = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class Guard:
    """Lets requests through to `app`. hosts: names under which it may be called; None: any. key: what /v1 asks for."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None, key: str | None) -> None:
        self._app, self._hosts, self._key = app, hosts, key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = self._refusal(scope) if scope["type"] == "http" else None
        answer = self._app if refusal is None else refusal.response()
        await answer(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> ApiError | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._hosts is not None and _name(f"//{host}") not in self._hosts:
            return ApiError(403, "this server answers only to localhost.", code="wrong_host")
        if origin is not None and origin.partition("://")[2] != host:
            return ApiError(403, "pages of other sites may not use this server.", code="wrong_origin")
        if self._key is not None and scope["path"].startswith("/v1"):
            given = headers.get("authorization", "")
            if not secrets.compare_digest(given.encode(), f"Bearer {self._key}".encode()):
                return ApiError(401, "the API key is missing or wrong.", code="invalid_api_key")
        return None


def _name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
