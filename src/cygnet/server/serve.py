"""Running the server until Ctrl-C."""

import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from cygnet.errors import UserError
from cygnet.lm.base import LanguageModel
from cygnet.server.app import build_app
from cygnet.server.guard import LOOPBACK

_GRACE = 2  # seconds that answers under way get at the end


def serve(
    model: LanguageModel,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    name: str | None = None,
    key: str | None = None,
    remote: bool = False,
    ready: Callable[[str], None] = print,
) -> None:
    """Serve `model` at http://host:port/v1 until Ctrl-C; port 0 takes a free one. `ready` is told the address.

    remote: may `host` be an address that other machines reach? Raises UserError if it is and may not, or is taken.
    """
    is_local = host in LOOPBACK
    if not (is_local or remote):
        raise UserError(f"{host} can be reached by other machines. If it should be: --allow-remote")
    with _listen(host, port) as listener:
        app = build_app(model, name, key, LOOPBACK if is_local else None)
        config = uvicorn.Config(app, log_level="error", ws="none", timeout_graceful_shutdown=_GRACE)
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{listener.getsockname()[1]}")
        with suppress(KeyboardInterrupt):  # uvicorn has ended everything by then
            uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port < 2**16:
        raise UserError(f"there is no port {port}: they go up to {2**16 - 1}.")
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        why = error.strerror or error
        raise UserError(f"can't listen on {host}, port {port}: {why}. Choose another with --port or --host.") from error
