import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cygnet.errors import UserError
from cygnet.techniques.tools.http import Access, fetch, http_tool

_PLAIN = "text/plain; charset=utf-8"

# path: status, headers, body
_PAGES = {
    "/": (200, {"Content-Type": _PLAIN}, "grün".encode()),
    "/latin": (200, {"Content-Type": "text/html; charset=latin-1"}, "grün".encode("latin-1")),
    "/odd": (200, {"Content-Type": "text/plain; charset=klingon"}, "grün".encode()),
    "/image": (200, {"Content-Type": "image/png"}, b"\x89PNG"),
    "/large": (200, {"Content-Type": _PLAIN}, b"x" * 2_000),
    "/missing": (404, {}, b""),
    "/moved": (302, {"Location": "/latin"}, b""),
    "/loop": (302, {"Location": "/loop"}, b""),
    "/query?a=1": (200, {"Content-Type": _PLAIN}, b"query"),
    "/short": (200, {"Content-Type": _PLAIN, "Content-Length": "100"}, b"short"),
}


class _Site(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/silent":
            self.rfile.read()  # until the other side has had enough
            return
        if self.path == "/drip":
            self._drip()
            return
        away = (302, {"Location": f"http://localhost:{self.server.server_port}/"}, b"")
        status, headers, body = away if self.path == "/away" else _PAGES[self.path]
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _drip(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        for _ in range(600):  # a byte at a time never trips a socket's own time limit
            try:
                self.wfile.write(b"x")
            except OSError:
                return
            time.sleep(0.05)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def _access(*hosts: str, seconds: float = 30, size: int = 1_000) -> Access:
    return Access(frozenset(hosts), seconds, size)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "grün"),
        ("/latin", "grün"),
        ("/odd", "grün"),
        ("/moved", "grün"),
        ("/query?a=1#part", "query"),
        ("", "grün"),
    ],
)
def test_a_listed_page_is_read(site, path, text):
    assert fetch(f"http://{site}{path}", _access(site)) == text


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/image", "image/png, not text"),
        ("/large", "larger than 1000 bytes"),
        ("/missing", "status 404"),
        ("/loop", "redirects more than 3 times"),
        ("/short", "broke off 95 bytes before its end"),
    ],
)
def test_pages_that_are_no_use_are_refused_in_words(site, path, words):
    with pytest.raises(UserError, match=words):
        fetch(f"http://{site}{path}", _access(site))


def test_a_page_that_comes_too_slowly_is_given_up(site):
    with pytest.raises(UserError, match="took longer than 0.5 s"):
        fetch(f"http://{site}/drip", _access(site, seconds=0.5))


def test_whichever_clock_is_first_says_the_same(site, monkeypatch):
    """A busy machine may be late with the one that counts from the connection on."""
    monkeypatch.setattr("cygnet.techniques.tools.http._hang_up", lambda *_: None)
    with pytest.raises(UserError, match="took longer than 0.5 s"):
        fetch(f"http://{site}/silent", _access(site, seconds=0.5))


def test_a_redirect_to_another_host_is_refused_even_if_that_is_listed(site):
    port = site.rpartition(":")[2]
    with pytest.raises(UserError, match="another host"):
        fetch(f"http://{site}/away", _access(site, f"localhost:{port}", "127.0.0.1"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.com/", "not on the list"),
        ("http://listed.example.com/", "not on the list"),
        ("http://listed.example:8080/", "not on the list"),
        ("http://listed.example@evil.example/", "user name"),
        ("http://evil.example/?listed.example", "not on the list"),
        ("file:///etc/passwd", "not a web address"),
        ("ftp://listed.example/", "not a web address"),
        ("listed.example", "not a web address"),
        ("http://listed.example/a b", "not a web address"),
        ("http://listed.example/\r\nHost: evil", "not a web address"),
        ("http://listed.exämple/", "not a web address"),
        ("http://listed.example:port/", "not a web address"),
        ("http://[::1/", "not a web address"),
    ],
)
def test_addresses_that_are_not_listed_are_refused_before_anything_is_looked_up(monkeypatch, url, words):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    with pytest.raises(UserError, match=words):
        fetch(url, _access("listed.example"))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "169.254.169.254",
        "0.0.0.0",  # noqa: S104 - an address that is refused
        "::1",
        "fe80::1%lo",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "224.0.0.1",
    ],
)
def test_a_listed_name_that_leads_inside_is_refused(monkeypatch, address):
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 80)) for host in ("93.184.215.14", address)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    monkeypatch.setattr(socket, "create_connection", lambda *_: pytest.fail("connected"))
    with pytest.raises(UserError, match="private address"):
        fetch("http://listed.example/", _access("listed.example"))


def test_the_address_that_was_examined_is_the_one_connected_to(monkeypatch, site):
    port = int(site.rpartition(":")[2])
    lookups = []

    def lookup(host, *_, **__):
        lookups.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    assert fetch(f"http://listed.example:{port}/", _access(f"listed.example:{port}", "127.0.0.1")) == "grün"
    assert lookups == ["listed.example", "127.0.0.1"]  # the second is no question: it is an address


def test_an_encrypted_page_needs_a_certificate_that_is_trusted(site):
    with pytest.raises(UserError, match="could not be read"):
        fetch(f"https://{site}/", _access(site))


def test_as_a_tool_it_names_the_hosts_and_answers_in_words(site):
    tool = http_tool([site.upper()])
    assert site.upper() in tool.weakness
    assert tool.call({"url": f"http://{site}/"}) == "grün"
    assert tool.call({"url": "http://example.com/"}).startswith("error: example.com is not on the list of hosts")


def test_a_dead_host_is_an_error_in_words():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        site = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(UserError, match="could not be read"):
            fetch(f"http://{site}/", _access(site))
