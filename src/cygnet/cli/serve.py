"""`cygnet serve`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cygnet.lm.base import LanguageModel


def serve(
    model: str,
    /,
    *,
    technique: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    name: str | None = None,
    api_key_env: str | None = None,
    allow_remote: bool = False,
) -> None:
    """Serve a model like OpenAI's, with a page to talk to it. Ctrl-C ends it.

    Parameters
    ----------
    model:
        A model folder, a .gguf file, "smollm2", or an endpoint such as http://host:8000/v1#model.
    technique:
        A setting that `cygnet lab` wrote (best.toml): chats are answered by it, asking the model.
    host:
        Where to listen.
    port:
        Where to listen; 0 takes a free port.
    name:
        The model's name in requests; if not given, what it was opened by.
    api_key_env:
        The environment variable with the key that callers must have.
    allow_remote:
        Let `host` be an address that other machines reach.
    """
    from cygnet.lm.address import read_key
    from cygnet.server.guard import LOOPBACK
    from cygnet.server.serve import serve as run

    key = read_key(api_key_env) if api_key_env else None
    if allow_remote and host not in LOOPBACK:
        who = "whoever has the key" if key else "anyone"
        print(f"cygnet: {who} that reaches {host} can use this model; nothing is encrypted.", file=sys.stderr)
    run(_open(model, technique), host, port, name=name, key=key, remote=allow_remote, ready=_tell)


def _open(model: str, technique: Path | None) -> "LanguageModel":
    """The model, or the technique in its place."""
    from cygnet.lm import load

    if technique is None:
        return load(model)
    from cygnet.lab import load_technique
    from cygnet.techniques.as_model import TechniqueModel

    return TechniqueModel(load_technique(technique, load(model)))


def _tell(address: str) -> None:
    print(f"Talk to it at {address} or ask {address}/v1 (Ctrl-C ends it)", flush=True)
