"""Tools that exist already: those of a server that speaks the Model Context Protocol, https://modelcontextprotocol.io.

The protocol is the official library's, `pip install 'cygnet[mcp]'`. What a server says is data, but a model reads the
names and descriptions of its tools as part of its instructions: take only servers, and of them only tools, that you
would let do what your agent may be talked into.
"""

import importlib.util
import json
import math
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from cygnet.errors import UserError
from cygnet.techniques.tools.tool import Tool

if TYPE_CHECKING:
    import mcp
    from anyio.from_thread import BlockingPortal
    from mcp.client import Transport

_LONGEST_DESCRIPTION = 1_000
_MOST_PAGES = 100
_WAITING = 5.0  # seconds beyond a call's own, for giving it up in order
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True)
class _Server:
    """Where a server is: the command that starts it, with its variables, or the url, with headers of requests."""

    command: tuple[str, ...]
    url: str
    environment: Mapping[str, str]
    headers: Mapping[str, str]

    def __str__(self) -> str:
        return self.url or " ".join(self.command)


@contextmanager
def mcp_tools(
    server: str | Sequence[str],
    names: Collection[str] | None = None,
    seconds: float = 30.0,
    starting: float = 60.0,
    environment: Mapping[str, str] = _NOTHING,
    headers: Mapping[str, str] = _NOTHING,
) -> Iterator[list[Tool]]:
    """The tools of a server, for as long as the block runs: `with mcp_tools(["uvx", "mcp-server-time"]) as tools:`.

    Arguments are checked against the tool's JSON Schema before anything is sent. What isn't text in a result is named,
    not shown. Characters of a name that an agent can't write become "_".

    server: a command as a list, which is started and, at the end, ended; or an http address. names: take only these
    tools. seconds: for a call; one that takes longer is given up. starting: seconds until the server must be ready.
    environment: variables of a command, which else sees only those like PATH and HOME. headers: of requests to an
    address, such as {"Authorization": "Bearer ..."}.

    Raises:
        UserError: when the library isn't installed, the server can't be started or reached, isn't ready in time, has
            no tool of a given name, or one whose schema isn't JSON Schema.
    """
    if importlib.util.find_spec("mcp") is None:
        raise UserError("tools of other programs need the package mcp: pip install 'cygnet[mcp]'.")
    from anyio.from_thread import start_blocking_portal

    if not all(limit > 0 and math.isfinite(limit) for limit in (seconds, starting)):
        raise UserError(f"time limits must be positive numbers of seconds, not {seconds!r} and {starting!r}.")
    place = _place(server, environment, headers)
    with start_blocking_portal() as portal, tempfile.TemporaryFile("a+", errors="replace") as said:
        connection = portal.wrap_async_context_manager(_connected(place, starting, said))
        try:
            client, listed = connection.__enter__()
        except Exception as error:  # whatever goes wrong with a stranger's program
            raise UserError(f"the MCP server {place} can't be used: {_why(error)}.{_last(said)}") from error
        try:
            yield [_tool(item, client, portal, seconds) for item in _chosen(listed, names, place)]
        finally:
            connection.__exit__(None, None, None)  # an error of the block is not the server's


def _place(server: str | Sequence[str], environment: Mapping[str, str], headers: Mapping[str, str]) -> _Server:
    if not isinstance(server, str):
        if not server:
            raise UserError('the command of an MCP server is empty: give a list such as ["python", "server.py"].')
        return _Server(tuple(server), "", environment, headers)
    if not server.startswith(("http://", "https://")):
        raise UserError(
            f"{server!r} is no address of an MCP server, which begins with http:// or https://. A command is given as "
            f"a list: {json.dumps(server.split() or ['python', 'server.py'])}."
        )
    return _Server((), server, environment, headers)


@asynccontextmanager
async def _connected(
    place: _Server, starting: float, said: IO[str]
) -> AsyncIterator[tuple["mcp.Client", list["mcp.Tool"]]]:
    """A client that has shaken hands, and the server's tools."""
    import anyio
    import mcp

    with anyio.fail_after(starting) as scope:
        async with _transport(place, said) as transport, mcp.Client(transport) as client:
            listed = await _listed(client)
            scope.deadline = math.inf  # from here on each call has a limit of its own
            yield client, listed


@asynccontextmanager
async def _transport(place: _Server, said: IO[str]) -> AsyncIterator["Transport"]:
    """How to reach the server; the client opens it, and closes it."""
    if place.url:
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        # Without limits of its own: starting and calls have theirs.
        async with httpx2.AsyncClient(headers=dict(place.headers), timeout=None) as web:
            yield streamable_http_client(place.url, http_client=web)
        return
    import mcp

    command, *arguments = place.command
    parameters = mcp.StdioServerParameters(command=command, args=arguments, env=dict(place.environment))
    yield mcp.stdio_client(parameters, errlog=said)  # type: ignore[arg-type]  # TextIO, which only sys.stderr is


async def _listed(client: "mcp.Client") -> list["mcp.Tool"]:
    """All pages of the server's list."""
    tools, cursor = [], None
    for _ in range(_MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None:
            return tools
    raise UserError(f"its list of tools has more than {_MOST_PAGES} pages")


def _chosen(listed: Sequence["mcp.Tool"], names: Collection[str] | None, place: _Server) -> list["mcp.Tool"]:
    there = {item.name for item in listed}
    if lacking := sorted(set(names or ()) - there):
        raise UserError(
            f"the MCP server {place} has no tool {', '.join(lacking)}; it has {', '.join(sorted(there)) or 'none'}."
        )
    return [item for item in listed if names is None or item.name in names]


def _tool(item: "mcp.Tool", client: "mcp.Client", portal: "BlockingPortal", seconds: float) -> Tool:
    check = _checker(item)

    def function(**arguments: Any) -> str:
        check(arguments)
        return portal.call(partial(_call, client, item.name, arguments, seconds))

    name = re.sub(r"\W", "_", item.name)
    description = " ".join((item.description or item.title or item.name).split())
    if len(description) > _LONGEST_DESCRIPTION:
        description = f"{description[:_LONGEST_DESCRIPTION]} ... (cut)"
    return Tool(name, description, _parameters(item.input_schema), function, seconds=seconds + _WAITING)


async def _call(client: "mcp.Client", name: str, arguments: dict[str, Any], seconds: float) -> str:
    """What the tool answers. Raises UserError when it says that it failed, or doesn't answer in time."""
    import anyio

    with anyio.move_on_after(seconds):
        try:
            result = await client.call_tool(name, arguments)
        except Exception as error:  # the connection, the protocol, the server: in words for the model
            raise UserError(f"{name} failed: {_why(error)}") from error
        text = "\n".join(map(_text, result.content)) or _json(result.structured_content)
        if result.is_error:
            raise UserError(f"{name} failed: {text}")
        return text
    raise UserError(f"{name} did not answer within {seconds:g} s")


def _text(block: "mcp.types.ContentBlock") -> str:
    """A block of a result as text; what isn't text by its kind."""
    import mcp.types as kinds

    if isinstance(block, kinds.TextContent):
        return block.text
    if isinstance(block, kinds.EmbeddedResource) and isinstance(block.resource, kinds.TextResourceContents):
        return block.resource.text
    if isinstance(block, kinds.ResourceLink):
        return f"({block.name}: {block.uri})"
    kind = block.resource.mime_type if isinstance(block, kinds.EmbeddedResource) else block.mime_type
    return f"({kind or 'data'}, which can't be shown as text)"


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _checker(item: "mcp.Tool") -> Callable[[dict[str, Any]], None]:
    """What raises UserError for arguments that the tool's schema doesn't allow."""
    import jsonschema
    from referencing import Registry

    kind = jsonschema.validators.validator_for(item.input_schema, jsonschema.Draft202012Validator)
    try:
        kind.check_schema(item.input_schema)
    except jsonschema.SchemaError as error:
        raise UserError(
            f"the tool {item.name} has a schema that isn't one: {error.message}. Leave it out with names=."
        ) from error
    validator = kind(item.input_schema, registry=Registry())  # an empty one: a schema can't have anything fetched

    def check(arguments: dict[str, Any]) -> None:
        faults = [
            f"{fault.json_path.removeprefix('$.')}: {fault.message}" for fault in validator.iter_errors(arguments)
        ]
        if faults:
            raise UserError(f"wrong arguments of {item.name}: {'; '.join(faults)}")

    return check


def _parameters(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema such that every property is an object, which JSON Schema doesn't ask for (`true` is one too)."""
    properties = {
        name: dict(value) if isinstance(value, Mapping) else {} for name, value in schema.get("properties", {}).items()
    }
    return {**schema, "properties": properties}


def _why(error: BaseException) -> str:
    """The first cause inside groups of errors, in words."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TimeoutError):
        return "it was not ready in time"
    return str(error) or type(error).__name__


def _last(said: IO[str]) -> str:
    """The end of what a server wrote about itself."""
    said.seek(0)
    lines = [" ".join(line.split()) for line in said.read().strip().splitlines()[-5:]]
    return f" It said: {' / '.join(lines)}" if lines else ""
