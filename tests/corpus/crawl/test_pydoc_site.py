import subprocess
import tempfile

import httpx

from cygnet.corpus.crawl.pydoc_site import _COMMAND, _ENVIRONMENT, _address


def test_the_server_ends_with_its_input_whatever_it_has_imported() -> None:
    """So it does not outlive a process that was killed."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        command = [*_COMMAND, "0"]
        server = subprocess.Popen(command, cwd=folder, env=_ENVIRONMENT, stdin=subprocess.PIPE, stdout=log, stderr=log)
        try:
            url = _address(server, log)
            assert httpx.get(f"{url}threading.html", timeout=60).status_code == 200  # which imports it anew
            server.communicate(timeout=600)
            assert server.returncode == 0
        finally:
            server.kill()
            server.wait()
