import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from cygnet import UserError
from cygnet.model.folder import save_model
from cygnet.server.serve import serve


def test_ctrl_c_ends_it_cleanly(build, tokenizer, tmp_path: Path) -> None:
    save_model(tmp_path / "rl", build(), tokenizer)
    command = [sys.executable, "-m", "cygnet", "serve", str(tmp_path / "rl"), "--port", "0", "--name", "swan"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = process.stdout.readline()
    address = said.split()[4]
    body = {"messages": [{"role": "user", "content": "What is it?"}], "max_tokens": 5}
    assert httpx.get(f"{address}/v1/models", timeout=60).json()["data"][0]["id"] == "swan"
    assert httpx.post(f"{address}/v1/chat/completions", json=body, timeout=60).status_code == 200
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=600)
    assert (process.returncode, errors) == (0, "")


def test_an_address_of_others_must_be_allowed() -> None:
    with pytest.raises(UserError, match="0.0.0.0 can be reached by other machines. If it should be: --allow-remote"):
        serve(None, "0.0.0.0", 0)  # noqa: S104


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"can't listen on 127.0.0.1, port {port}: .* --port"):
            serve(None, "127.0.0.1", port)
    with pytest.raises(UserError, match="there is no port 99999"):
        serve(None, "127.0.0.1", 99999)


def test_a_key_that_is_not_set_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cygnet", "serve", str(tmp_path), "--api-key-env", "SWAN_KEY"]
    environment = {name: value for name, value in os.environ.items() if name != "SWAN_KEY"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert "the environment variable SWAN_KEY" in done.stderr
